-- What post_message does, for many drafts at once: see there. The arrays are parallel, one element a draft; returns one
-- row a draft, in the order given. Conversations are locked in id order, so that two batches do not wait for each other.
CREATE FUNCTION post_batch(
    p_conversation uuid[], p_lane smallint[], p_kind text[], p_sender_kind text[], p_sender uuid[], p_name text[],
    p_m uuid[], p_body text[], p_gen bigint[]
)
RETURNS TABLE (status text, seq bigint, at bigint, state text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
    v_at timestamptz;
    -- Of each conversation; the heads as they were before.
    v_id uuid[];
    v_visitor uuid[];
    v_agent uuid[];
    v_state text[];
    v_gen bigint[];
    v_episode int[];
    v_episode_gen bigint[];
    v_public bigint[];
    v_internal bigint[];
    -- Of each draft.
    v_place int[];
    v_seq bigint[];
    v_c int;
BEGIN
    BEGIN
        WITH moved AS (
            UPDATE conversation
            SET public_seq = public_seq + d.public, internal_seq = internal_seq + d.internal
            FROM (
                SELECT c, count(*) FILTER (WHERE lane = 0) AS public, count(*) FILTER (WHERE lane = 1) AS internal
                FROM unnest(p_conversation, p_lane) AS one (c, lane) GROUP BY c ORDER BY c
            ) d
            WHERE id = d.c
            RETURNING id, visitor_id, agent_id, conversation.state AS st, gen, episode, episode_gen,
                      public_seq - d.public AS public, internal_seq - d.internal AS internal
        )
        SELECT array_agg(id), array_agg(visitor_id), array_agg(agent_id), array_agg(st), array_agg(gen),
               array_agg(episode), array_agg(episode_gen), array_agg(public), array_agg(internal)
        INTO v_id, v_visitor, v_agent, v_state, v_gen, v_episode, v_episode_gen, v_public, v_internal
        FROM moved;
        -- After the locks, so that time runs the way the sequence does.
        v_at := date_trunc('milliseconds', clock_timestamp());

        FOR i IN 1 .. cardinality(p_m) LOOP
            v_c := array_position(v_id, p_conversation[i]);
            IF v_c IS NULL THEN
                RAISE SQLSTATE 'DB001';
            ELSIF p_lane[i] = 1 THEN
                v_internal[v_c] := v_internal[v_c] + 1;
                v_seq[i] := v_internal[v_c];
            ELSIF p_gen[i] < v_episode_gen[v_c] OR (CASE p_sender_kind[i]
                WHEN 'visitor' THEN v_visitor[v_c] <> p_sender[i] OR v_state[v_c] = 'closed'
                ELSE v_state[v_c] <> 'active' OR v_agent[v_c] <> p_sender[i] OR coalesce(p_gen[i] < v_gen[v_c], false)
            END) THEN
                RAISE SQLSTATE 'DB001';
            ELSE
                v_public[v_c] := v_public[v_c] + 1;
                v_seq[i] := v_public[v_c];
            END IF;
            v_place[i] := v_c;
        END LOOP;

        INSERT INTO message (conversation_id, lane, seq, m, kind, sender_kind, sender_id, sender_name, episode, at, body)
        SELECT d.cv, d.ln, d.s, d.m, d.kd, d.sk, d.sd, d.nm, v_episode[d.c], v_at, d.b::jsonb
        FROM unnest(p_conversation, p_lane, p_kind, p_sender_kind, p_sender, p_name, p_m, p_body, v_seq, v_place)
             AS d (cv, ln, kd, sk, sd, nm, m, b, s, c);

        -- Not before: rows that were returned stay returned, whatever is undone after them.
        status := 'ok';
        at := extract(epoch FROM v_at) * 1000;
        FOR i IN 1 .. cardinality(p_m) LOOP
            seq := v_seq[i];
            state := v_state[v_place[i]];
            RETURN NEXT;
        END LOOP;
        RETURN;
    EXCEPTION WHEN unique_violation OR SQLSTATE 'DB001' THEN NULL;
    END;
    RETURN QUERY
    SELECT x.status, x.seq, (extract(epoch FROM x.at) * 1000)::bigint, x.state
    FROM post_messages(p_conversation, p_lane, p_kind, p_sender_kind, p_sender, p_name, p_m, p_body, p_gen) x
    ORDER BY x.ord;
END $$;
