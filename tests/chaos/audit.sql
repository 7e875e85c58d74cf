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
    -- Of the agent who owns it, at this commit.
    load int,
    owned int,
    capacity int,
    open_stints int,
    -- At a commit that offers: who of the same lane waits, whom this agent may have, although their (score, id) is
    -- smaller; and since when that is so.
    overtook uuid,
    overtook_since timestamptz
);
CREATE TABLE chaos_ruled (conversation uuid PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE chaos_went_back (at timestamptz NOT NULL DEFAULT clock_timestamp(), words text NOT NULL);

CREATE FUNCTION chaos_conversation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a record;
    passed record;
BEGIN
    -- In one statement: between two another transaction may end, for an acceptance does not lock the agent.
    SELECT x.load, x.capacity,
           (SELECT count(*) FROM conversation c WHERE c.agent_id = x.id AND c.state IN ('offered', 'active')) AS owned
    INTO a FROM agent x WHERE x.id = NEW.agent_id;
    IF NEW.state = 'offered' THEN
        SELECT c.id, greatest(c.changed_at, r.at) AS since INTO passed
        FROM conversation c LEFT JOIN chaos_ruled r ON r.conversation = c.id
        WHERE c.team_id = NEW.team_id AND c.skills = NEW.skills AND c.state = 'waiting'
          AND (c.score, c.id) < (NEW.score, NEW.id)
          AND coalesce(c.reserved_for, NEW.agent_id) = NEW.agent_id AND NOT NEW.agent_id = ANY (c.declined)
        ORDER BY since LIMIT 1;
        INSERT INTO chaos_audit (conversation, state, agent, gen, before_gen, load, owned, capacity, open_stints, overtook,
                                 overtook_since)
        VALUES (NEW.id, NEW.state, NEW.agent_id, NEW.gen, CASE TG_OP WHEN 'UPDATE' THEN OLD.gen END, a.load, a.owned,
                a.capacity, (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
                             WHERE e.conversation_id = NEW.id AND s.ended_at IS NULL), passed.id, passed.since);
        RETURN NULL;
    END IF;
    INSERT INTO chaos_audit (conversation, state, agent, gen, before_gen, load, owned, capacity, open_stints)
    VALUES (NEW.id, NEW.state, NEW.agent_id, NEW.gen, CASE TG_OP WHEN 'UPDATE' THEN OLD.gen END, a.load, a.owned, a.capacity,
            (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
             WHERE e.conversation_id = NEW.id AND s.ended_at IS NULL));
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
    WHEN (OLD.gen <> NEW.gen OR OLD.state <> NEW.state OR OLD.agent_id IS DISTINCT FROM NEW.agent_id)
    EXECUTE FUNCTION chaos_conversation();
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
