-- Posts one draft that is most likely fresh and allowed, without asking first; whatever turns out otherwise is undone and
-- left to post_messages, which knows all answers. Returns what it returns, but `at` in milliseconds since 1970.
--
-- A draft is numbered by moving its conversation's head on, which also locks the conversation. That its key is new, the
-- unique index uq_message_key says: nobody else can write to a locked conversation, so it sees all that there is. The
-- block with the EXCEPTION is a savepoint: what failed in it is as if it had not been tried, locks too.
--
-- The journal's connection sets the planner's options once (app/chat/journal.py); as a SET clause they would cost each
-- call a twentieth.
CREATE FUNCTION post_message(
    p_conversation uuid, p_lane smallint, p_kind text, p_sender_kind text, p_sender uuid, p_name text, p_m uuid,
    p_body text, p_gen bigint
)
RETURNS TABLE (status text, seq bigint, at bigint, state text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
    v_at timestamptz;
    v_episode int;
BEGIN
    BEGIN
        UPDATE conversation
        SET public_seq = public_seq + 1 - p_lane, internal_seq = internal_seq + p_lane
        WHERE id = p_conversation
          AND CASE
                  WHEN p_lane = 1 THEN true
                  WHEN p_sender_kind = 'visitor'
                  THEN visitor_id = p_sender AND state <> 'closed' AND coalesce(p_gen >= episode_gen, true)
                  ELSE agent_id = p_sender AND state = 'active' AND coalesce(p_gen >= greatest(gen, episode_gen), true)
              END
        RETURNING CASE p_lane WHEN 0 THEN public_seq ELSE internal_seq END, conversation.state, episode,
                  date_trunc('milliseconds', clock_timestamp())
        INTO seq, state, v_episode, v_at;
        IF FOUND THEN
            INSERT INTO message
                (conversation_id, lane, seq, m, kind, sender_kind, sender_id, sender_name, episode, at, body)
            VALUES
                (p_conversation, p_lane, seq, p_m, p_kind, p_sender_kind, p_sender, p_name, v_episode, v_at, p_body::jsonb);
            status := 'ok';
            at := extract(epoch FROM v_at) * 1000;
            RETURN NEXT;
            RETURN;
        END IF;
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
    RETURN QUERY
    SELECT x.status, x.seq, (extract(epoch FROM x.at) * 1000)::bigint, x.state
    FROM post_messages(
        ARRAY[p_conversation], ARRAY[p_lane], ARRAY[p_kind], ARRAY[p_sender_kind], ARRAY[p_sender], ARRAY[p_name],
        ARRAY[p_m], ARRAY[p_body], ARRAY[p_gen]
    ) x;
END $$;
