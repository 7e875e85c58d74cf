-- Posts a batch of messages and notes, exactly: dense sequences, each key once, whatever else runs.
--
-- The arrays are parallel, one element a draft. Returns one row a draft, in the order given:
--   status  'ok' | 'dup' | 'conflict' | 'closed' | 'not_yours' | 'not_found'
--   seq, at are null unless status is ok or dup; state is the conversation's.
CREATE FUNCTION post_messages(
    p_conversation uuid[], p_lane smallint[], p_kind text[], p_sender_kind text[], p_sender uuid[],
    p_name text[], p_m uuid[], p_body text[]
)
RETURNS TABLE (ord int, status text, seq bigint, at timestamptz, state text)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_at timestamptz;
BEGIN
    -- Lock the touched conversations in id order: no deadlock, and from here nobody else can add to them.
    PERFORM 1 FROM conversation c WHERE c.id = ANY (p_conversation) ORDER BY c.id FOR NO KEY UPDATE;
    -- After the lock, so that time runs the way the sequence does.
    v_at := date_trunc('milliseconds', clock_timestamp());

    -- A new statement has a new snapshot: it sees every committed message of those conversations.
    RETURN QUERY
    WITH draft AS MATERIALIZED (
        SELECT t.o::int AS o, t.cv, t.ln, t.kd, t.sk, t.sd, t.nm, t.m, t.b::jsonb AS b,
               row_number() OVER (PARTITION BY t.cv, t.sd, t.m ORDER BY t.o) AS nth
        FROM unnest(p_conversation, p_lane, p_kind, p_sender_kind, p_sender, p_name, p_m, p_body)
             WITH ORDINALITY AS t (cv, ln, kd, sk, sd, nm, m, b, o)
    ),
    known AS MATERIALIZED (
        SELECT d.o, x.seq, x.at, (x.lane = d.ln AND x.body = d.b) AS same
        FROM draft d
        JOIN message x ON x.conversation_id = d.cv AND x.sender_id = d.sd AND x.m = d.m
                      AND x.sender_kind <> 'system'
    ),
    judged AS MATERIALIZED (
        SELECT d.o, d.cv, d.ln, d.nth, c.episode, c.state,
               CASE
                   WHEN c.id IS NULL THEN 'not_found'
                   WHEN d.ln = 1 THEN 'ok'
                   WHEN d.sk = 'visitor' AND c.visitor_id <> d.sd THEN 'not_found'
                   WHEN c.state = 'closed' THEN 'closed'
                   WHEN d.sk = 'agent' AND (c.state <> 'active' OR c.agent_id <> d.sd) THEN 'not_yours'
                   ELSE 'ok'
               END AS verdict
        FROM draft d LEFT JOIN conversation c ON c.id = d.cv
    ),
    fresh AS MATERIALIZED (
        SELECT d.*, j.episode, row_number() OVER (PARTITION BY d.cv, d.ln ORDER BY d.o) AS k
        FROM draft d JOIN judged j ON j.o = d.o
        WHERE d.nth = 1 AND j.verdict = 'ok' AND NOT EXISTS (SELECT 1 FROM known n WHERE n.o = d.o)
    ),
    bumped AS (
        UPDATE conversation c
        SET public_seq = c.public_seq + f.pub, internal_seq = c.internal_seq + f.inn
        FROM (
            SELECT cv, count(*) FILTER (WHERE ln = 0) AS pub, count(*) FILTER (WHERE ln = 1) AS inn
            FROM fresh GROUP BY cv
        ) f
        WHERE c.id = f.cv
        RETURNING c.id, c.public_seq - f.pub AS pub_base, c.internal_seq - f.inn AS inn_base
    ),
    written AS (
        INSERT INTO message (conversation_id, lane, seq, m, kind, sender_kind, sender_id, sender_name, episode, at, body)
        SELECT f.cv, f.ln, CASE f.ln WHEN 0 THEN u.pub_base ELSE u.inn_base END + f.k,
               f.m, f.kd, f.sk, f.sd, f.nm, f.episode, v_at, f.b
        FROM fresh f JOIN bumped u ON u.id = f.cv
        RETURNING message.conversation_id AS cv, message.lane AS ln, message.sender_id AS sd, message.m, message.seq,
                  message.body AS b
    )
    SELECT d.o,
           CASE
               WHEN n.o IS NOT NULL THEN CASE WHEN n.same THEN 'dup' ELSE 'conflict' END
               WHEN w.seq IS NULL THEN j.verdict
               WHEN d.nth = 1 THEN 'ok'
               WHEN w.b = d.b AND w.ln = d.ln THEN 'dup'
               ELSE 'conflict'
           END,
           CASE WHEN n.o IS NULL THEN w.seq WHEN n.same THEN n.seq END,
           CASE WHEN n.o IS NULL THEN CASE WHEN w.seq IS NOT NULL THEN v_at END WHEN n.same THEN n.at END,
           j.state
    FROM draft d
    JOIN judged j ON j.o = d.o
    LEFT JOIN known n ON n.o = d.o
    LEFT JOIN written w ON w.cv = d.cv AND w.sd = d.sd AND w.m = d.m
    ORDER BY d.o;
END $$;
