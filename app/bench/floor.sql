-- The floor's whole database: what a message costs Postgres when nothing is asked of it but a number and a row.
DROP SCHEMA IF EXISTS bench_floor CASCADE;
CREATE SCHEMA bench_floor;
CREATE TABLE bench_floor.conversation (id uuid PRIMARY KEY, seq bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70);
CREATE TABLE bench_floor.message (
    conversation_id uuid, seq bigint, m uuid NOT NULL, sender_id uuid NOT NULL, at timestamptz NOT NULL,
    body jsonb NOT NULL, PRIMARY KEY (conversation_id, seq)
);

-- The caller sorts by conversation, so that two processes do not deadlock.
CREATE FUNCTION bench_floor.post(p_conversation uuid[], p_m uuid[], p_sender uuid[], p_body text[])
RETURNS TABLE (s bigint, moment timestamptz)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_conversation) LOOP
        UPDATE bench_floor.conversation SET seq = seq + 1 WHERE id = p_conversation[i]
        RETURNING seq, clock_timestamp() INTO s, moment;
        INSERT INTO bench_floor.message VALUES (p_conversation[i], s, p_m[i], p_sender[i], moment, p_body[i]::jsonb);
        RETURN NEXT;
    END LOOP;
END $$;
