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
    -- Those of the same team who had waited longer, at a commit that offers: (score, id) smaller, since some seconds.
    overtook uuid[]
);
CREATE TABLE chaos_went_back (at timestamptz NOT NULL DEFAULT clock_timestamp(), words text NOT NULL);

CREATE FUNCTION chaos_conversation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a record;
    n int;
    passed uuid[];
BEGIN
    SELECT load, capacity INTO a FROM agent WHERE id = NEW.agent_id;
    SELECT count(*) INTO n FROM conversation WHERE agent_id = NEW.agent_id AND state IN ('offered', 'active');
    IF NEW.state = 'offered' THEN
        SELECT array_agg(id) INTO passed FROM conversation
        WHERE team_id = NEW.team_id AND state = 'waiting' AND (score, id) < (NEW.score, NEW.id)
          AND changed_at < now() - interval '3 seconds';
    END IF;
    INSERT INTO chaos_audit (conversation, state, agent, gen, before_gen, load, owned, capacity, open_stints, overtook)
    VALUES (NEW.id, NEW.state, NEW.agent_id, NEW.gen, CASE TG_OP WHEN 'UPDATE' THEN OLD.gen END, a.load, n, a.capacity,
            (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
             WHERE e.conversation_id = NEW.id AND s.ended_at IS NULL), passed);
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
CREATE CONSTRAINT TRIGGER chaos_agent_moved AFTER UPDATE ON agent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.load <> NEW.load OR OLD.capacity <> NEW.capacity)
    EXECUTE FUNCTION chaos_agent();
CREATE TRIGGER chaos_read_went_back AFTER UPDATE ON conversation FOR EACH ROW
    WHEN (NEW.visitor_read < OLD.visitor_read OR NEW.agent_read < OLD.agent_read
          OR NEW.public_seq < OLD.public_seq OR NEW.internal_seq < OLD.internal_seq)
    EXECUTE FUNCTION chaos_read();
