-- What the harness sees of every commit that changes who owns what.
--
-- The triggers are deferred: they run at the end of each transaction, while it still holds its locks. So for one
-- conversation, and for one agent, rows of the audit stand in the order of the commits.
CREATE TABLE chaos_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    conversation uuid,
    state text,
    agent uuid,
    gen bigint,
    before_gen bigint,
    -- Of the agent who owns it, at this commit; `of_team`: those of this conversation's team.
    load int,
    owned int,
    of_team int,
    capacity int,
    open_stints int,
    -- The conversation before and after.
    was conversation,
    line conversation,
    -- At a commit by which the queue offers: who else waits in a lane that this agent serves, whom they may have, although
    -- their (score, id) is smaller; and since when that is so.
    overtook uuid,
    overtook_since timestamptz
);
CREATE TABLE chaos_ruled (conversation uuid PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE chaos_went_back (at timestamptz NOT NULL DEFAULT clock_timestamp(), words text NOT NULL);
CREATE TABLE chaos_not_returned (at timestamptz NOT NULL DEFAULT clock_timestamp(), words text NOT NULL);

CREATE FUNCTION chaos_conversation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a record;
    passed record;
    before conversation;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD;
    END IF;
    -- In one statement: between two another transaction may end, for an acceptance does not lock the agent.
    SELECT x.load, x.capacity, x.skills,
           (SELECT count(*) FROM conversation c WHERE c.agent_id = x.id AND c.state IN ('offered', 'active')) AS owned,
           (SELECT count(*) FROM conversation c
            WHERE c.agent_id = x.id AND c.state IN ('offered', 'active') AND c.team_id = NEW.team_id) AS of_team
    INTO a FROM agent x WHERE x.id = NEW.agent_id;
    -- What a person passes to another has no turn.
    IF NEW.state = 'offered' AND (NEW.passed_by IS NULL OR NEW.returns_at IS NOT NULL) THEN
        SELECT c.id, greatest(c.changed_at, r.at) AS since INTO passed
        FROM conversation c JOIN team t ON t.id = c.team_id
        JOIN team_member tm ON tm.team_id = t.id AND tm.agent_id = NEW.agent_id
        LEFT JOIN chaos_ruled r ON r.conversation = c.id
        WHERE t.strategy <> 'manual' AND c.skills <@ a.skills AND c.state = 'waiting'
          AND (c.score, c.id) < (NEW.score, NEW.id)
          AND coalesce(c.reserved_for, NEW.agent_id) = NEW.agent_id AND NOT NEW.agent_id = ANY (c.declined)
          -- In this team there was room: it went to this one.
          AND (t.share IS NULL OR t.id = NEW.team_id OR t.share > (
              SELECT count(*) FROM conversation h
              WHERE h.agent_id = NEW.agent_id AND h.team_id = t.id AND h.state IN ('offered', 'active')
          ))
        ORDER BY since LIMIT 1;
        INSERT INTO chaos_audit (conversation, state, agent, gen, before_gen, load, owned, of_team, capacity, open_stints,
                                 was, line, overtook, overtook_since)
        VALUES (NEW.id, NEW.state, NEW.agent_id, NEW.gen, CASE TG_OP WHEN 'UPDATE' THEN OLD.gen END, a.load, a.owned,
                a.of_team, a.capacity, (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
                                        WHERE e.conversation_id = NEW.id AND s.ended_at IS NULL),
                before, NEW, passed.id, passed.since);
        RETURN NULL;
    END IF;
    INSERT INTO chaos_audit (conversation, state, agent, gen, before_gen, load, owned, of_team, capacity, open_stints,
                             was, line)
    VALUES (NEW.id, NEW.state, NEW.agent_id, NEW.gen, CASE TG_OP WHEN 'UPDATE' THEN OLD.gen END, a.load, a.owned,
            a.of_team, a.capacity, (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
                                    WHERE e.conversation_id = NEW.id AND s.ended_at IS NULL),
            before, NEW);
    RETURN NULL;
END $$;

-- What was passed on goes on waiting, and nobody is to get it back any more: is its sender there, with room? Whoever gives
-- back holds the sender's row; it must not be judged by what became of the sender since this transaction began.
CREATE FUNCTION chaos_not_returned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_not_returned (words)
    SELECT format('conversation %s waits at generation %s; %s, who passed it on, is there with %s of %s', c.id, c.gen, a.id,
                  a.load, a.capacity)
    FROM conversation c JOIN agent a ON a.id = OLD.passed_by
    WHERE c.id = NEW.id AND c.state = 'waiting' AND c.passed_by IS NULL AND a.active AND a.load < a.capacity
      AND a.seen_at < now() - interval '5 seconds' AND EXISTS (
          SELECT 1 FROM presence here JOIN gateway g ON g.id = here.gateway_id
          WHERE here.subject = a.id AND g.seen_at > now() - interval '10 seconds' AND g.seen_at <= now()
      );
    RETURN NULL;
END $$;

-- Others may have it than before.
CREATE FUNCTION chaos_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_ruled VALUES (NEW.id, clock_timestamp()) ON CONFLICT (conversation) DO UPDATE SET at = excluded.at;
    RETURN NULL;
END $$;

CREATE FUNCTION chaos_agent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    n int;
    a record;
BEGIN
    -- A transaction may touch the row twice: what counts is how it stands at the end.
    SELECT load, capacity INTO a FROM agent WHERE id = NEW.id;
    SELECT count(*) INTO n FROM conversation WHERE agent_id = NEW.id AND state IN ('offered', 'active');
    INSERT INTO chaos_audit (agent, load, owned, capacity) VALUES (NEW.id, a.load, n, a.capacity);
    RETURN NULL;
END $$;

CREATE FUNCTION chaos_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_went_back (words)
    VALUES (format('conversation %s: read by visitor %s -> %s, by agent %s -> %s, heads %s/%s -> %s/%s', NEW.id,
                   OLD.visitor_read, NEW.visitor_read, OLD.agent_read, NEW.agent_read,
                   OLD.public_seq, OLD.internal_seq, NEW.public_seq, NEW.internal_seq));
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER chaos_conversation_made AFTER INSERT ON conversation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_conversation();
CREATE CONSTRAINT TRIGGER chaos_conversation_moved AFTER UPDATE ON conversation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    -- Who forgets in one statement who passed it on, and gives it back in the next, is judged by how it was before both.
    WHEN (OLD.gen <> NEW.gen OR OLD.state <> NEW.state OR OLD.agent_id IS DISTINCT FROM NEW.agent_id
          OR OLD.passed_by IS DISTINCT FROM NEW.passed_by)
    EXECUTE FUNCTION chaos_conversation();
CREATE CONSTRAINT TRIGGER chaos_conversation_not_returned AFTER UPDATE ON conversation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.passed_by IS NOT NULL AND NEW.passed_by IS NULL)
    EXECUTE FUNCTION chaos_not_returned();
CREATE TRIGGER chaos_conversation_ruled AFTER UPDATE ON conversation FOR EACH ROW
    WHEN (OLD.declined <> NEW.declined OR OLD.reserved_for IS DISTINCT FROM NEW.reserved_for)
    EXECUTE FUNCTION chaos_rule();
CREATE CONSTRAINT TRIGGER chaos_agent_moved AFTER UPDATE ON agent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.load <> NEW.load OR OLD.capacity <> NEW.capacity)
    EXECUTE FUNCTION chaos_agent();
CREATE TRIGGER chaos_read_went_back AFTER UPDATE ON conversation FOR EACH ROW
    WHEN (NEW.visitor_read < OLD.visitor_read OR NEW.agent_read < OLD.agent_read
          OR NEW.public_seq < OLD.public_seq OR NEW.internal_seq < OLD.internal_seq)
    EXECUTE FUNCTION chaos_read();

-- A disk that is full, as far as messages see it: the error is the one that Postgres gives then.
CREATE TABLE chaos_disk (is_full boolean NOT NULL);
INSERT INTO chaos_disk VALUES (false);
CREATE FUNCTION chaos_full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT is_full FROM chaos_disk) THEN
        RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file: No space left on device';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_disk_is_full BEFORE INSERT ON message FOR EACH STATEMENT EXECUTE FUNCTION chaos_full_disk();
