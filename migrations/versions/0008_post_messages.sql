-- Posts a batch of messages and notes, exactly: dense sequences, each key once, whatever else runs.
--
-- The arrays are parallel, one element a draft. Returns one row a draft, in the order given:
--   status  'ok' | 'dup' | 'conflict' | 'closed' | 'not_yours' | 'not_found' | 'stale'
--   seq, at are null unless status is ok or dup; for stale seq is the generation that the conversation is at.
--   state is the conversation's.
--
-- p_gen: the newest generation of the conversation that the sender's connection had been told when the draft was
-- given; null if that is not known. A draft may come here long after that: its process slept, or Postgres could not be
-- reached. Meanwhile its sender may have sent it again on another process, have heard there that the chat was closed or
-- another agent's, and have given it up. So what was said in an episode that is over, or by an agent who has had the
-- chat taken away and given back since, is 'stale': a sender who still waits for it sends it again.
--
-- Four small statements and a loop, not one large statement: its plan took half a millisecond to set up, for a single
-- message too. Each reaches its rows by an index whatever the statistics say: a plan made while the tables were small
-- would read all of them once they are large.
CREATE FUNCTION post_messages(
    p_conversation uuid[], p_lane smallint[], p_kind text[], p_sender_kind text[], p_sender uuid[],
    p_name text[], p_m uuid[], p_body text[], p_gen bigint[]
)
RETURNS TABLE (ord int, status text, seq bigint, at timestamptz, state text)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_at timestamptz;
    -- Of each conversation.
    v_id uuid[];
    v_visitor uuid[];
    v_agent uuid[];
    v_state text[];
    v_gen bigint[];
    v_episode int[];
    v_episode_gen bigint[];
    v_public bigint[];
    v_internal bigint[];
    v_moved uuid[];
    -- Of each draft; v_seq and v_since also of a draft that is known.
    v_place int[];
    v_status text[];
    v_seq bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_m)]);
    v_since timestamptz[];
    v_known record;
    v_c int;
    v_twin int;
BEGIN
    -- Lock the touched conversations in id order: no deadlock, and from here nobody else can add to them.
    SELECT array_agg(c.id), array_agg(c.visitor_id), array_agg(c.agent_id), array_agg(c.state), array_agg(c.gen),
           array_agg(c.episode), array_agg(c.episode_gen), array_agg(c.public_seq), array_agg(c.internal_seq)
    INTO v_id, v_visitor, v_agent, v_state, v_gen, v_episode, v_episode_gen, v_public, v_internal
    FROM (SELECT * FROM conversation WHERE id = ANY (p_conversation) ORDER BY id FOR NO KEY UPDATE) c;
    -- After the lock, so that time runs the way the sequence does.
    v_at := date_trunc('milliseconds', clock_timestamp());

    -- A new statement has a new snapshot: it sees every committed message of those conversations.
    FOR v_known IN
        SELECT d.o, x.seq, x.at, x.lane = d.ln AND x.body = d.b::jsonb AS same
        FROM unnest(p_conversation, p_lane, p_sender, p_m, p_body) WITH ORDINALITY AS d (cv, ln, sd, m, b, o),
        LATERAL (
            SELECT seq, at, lane, body FROM message
            WHERE conversation_id = d.cv AND sender_id = d.sd AND m = d.m AND sender_kind <> 'system' LIMIT 1
        ) x
    LOOP
        v_status[v_known.o] := CASE WHEN v_known.same THEN 'dup' ELSE 'conflict' END;
        v_seq[v_known.o] := v_known.seq;
        v_since[v_known.o] := v_known.at;
    END LOOP;

    FOR i IN 1 .. cardinality(p_m) LOOP
        v_c := array_position(v_id, p_conversation[i]);
        ord := i;
        state := v_state[v_c];
        status := v_status[i];
        seq := v_seq[i];
        at := v_since[i];
        IF status IS NULL THEN
            at := v_at;
            -- The same key earlier in this batch?
            v_twin := array_position(p_m, p_m[i]);
            WHILE v_twin < i AND NOT (
                v_status[v_twin] = 'ok' AND p_conversation[v_twin] = p_conversation[i] AND p_sender[v_twin] = p_sender[i]
            ) LOOP
                v_twin := array_position(p_m, p_m[i], v_twin + 1);
            END LOOP;
            IF v_twin < i THEN
                seq := v_seq[v_twin];
                status := CASE WHEN p_lane[v_twin] = p_lane[i] AND p_body[v_twin]::jsonb = p_body[i]::jsonb
                               THEN 'dup' ELSE 'conflict' END;
            ELSIF v_c IS NULL THEN
                status := 'not_found';
            ELSIF p_lane[i] = 1 THEN
                status := 'ok';
                seq := v_internal[v_c] + 1;
                v_internal[v_c] := seq;
            ELSIF p_sender_kind[i] = 'visitor' AND v_visitor[v_c] <> p_sender[i] THEN
                status := 'not_found';
            ELSIF state = 'closed' THEN
                status := 'closed';
            ELSIF p_sender_kind[i] = 'agent' AND (state <> 'active' OR v_agent[v_c] <> p_sender[i]) THEN
                status := 'not_yours';
            ELSIF p_gen[i] < v_episode_gen[v_c] OR (p_sender_kind[i] = 'agent' AND p_gen[i] < v_gen[v_c]) THEN
                status := 'stale';
            ELSE
                status := 'ok';
                seq := v_public[v_c] + 1;
                v_public[v_c] := seq;
            END IF;
            v_status[i] := status;
            v_seq[i] := seq;
        END IF;
        v_place[i] := v_c;
        IF status = 'ok' THEN
            v_moved := v_moved || p_conversation[i];
        ELSIF status <> 'dup' THEN
            seq := CASE status WHEN 'stale' THEN v_gen[v_c] END;
            at := NULL;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF v_moved IS NOT NULL THEN
        INSERT INTO message (conversation_id, lane, seq, m, kind, sender_kind, sender_id, sender_name, episode, at, body)
        SELECT d.cv, d.ln, d.s, d.m, d.kd, d.sk, d.sd, d.nm, v_episode[d.c], v_at, d.b::jsonb
        FROM unnest(p_conversation, p_lane, p_kind, p_sender_kind, p_sender, p_name, p_m, p_body, v_seq, v_place, v_status)
             AS d (cv, ln, kd, sk, sd, nm, m, b, s, c, st)
        WHERE d.st = 'ok';
        UPDATE conversation
        SET public_seq = v_public[array_position(v_id, id)], internal_seq = v_internal[array_position(v_id, id)]
        WHERE id = ANY (v_moved);
    END IF;
END $$;
