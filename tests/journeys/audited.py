"""What Postgres saw of every commit, for journeys: the audit of the fault campaign, and its judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import ownership
from tests.chaos.ledger import Fenced, Ledger

AUDIT = Path(__file__).parents[1] / "chaos" / "audit.sql"
MORE_AUDIT = """
ALTER TABLE chaos_audit ADD COLUMN began timestamptz DEFAULT now(), ADD COLUMN team uuid, ADD COLUMN score bigint,
    ADD COLUMN declined uuid[], ADD COLUMN reserved uuid, ADD COLUMN accepting boolean;
CREATE FUNCTION race_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT team_id, score, declined, reserved_for INTO NEW.team, NEW.score, NEW.declined, NEW.reserved
    FROM conversation WHERE id = NEW.conversation;
    SELECT accepting INTO NEW.accepting FROM agent WHERE id = NEW.agent;
    RETURN NEW;
END $$;
CREATE TRIGGER race_line BEFORE INSERT ON chaos_audit FOR EACH ROW EXECUTE FUNCTION race_line();
CREATE CONSTRAINT TRIGGER race_agent_turned AFTER UPDATE ON agent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.accepting <> NEW.accepting AND OLD.load = NEW.load) EXECUTE FUNCTION chaos_agent();
"""
"""Beside the audit: when the transaction began, in which line the conversation stands at its end, who may have it; and
whether the agent takes chats."""

RULES = (
    ownership.one_owner_and_rising_generations,
    ownership.late_commands_are_refused,
    ownership.nobody_has_more_than_they_can_take,
    ownership.one_state,
)


async def watch_commits(sql: Any) -> None:
    """From now on Postgres writes down what every commit leaves behind that changes an owner."""
    await sql.execute(AUDIT.read_text() + MORE_AUDIT)


async def what_was_seen(sql: Any, fenced: Sequence[Fenced] = ()) -> Evidence:
    """Read what the invariants are judged by."""
    heads = await sql.fetch(
        """
        SELECT id::text, state, agent_id::text,
               (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
                WHERE e.conversation_id = c.id AND s.ended_at IS NULL) AS open_stints,
               (SELECT count(*) FROM episode e WHERE e.conversation_id = c.id AND e.closed_at IS NULL) AS open_episodes
        FROM conversation c
        """
    )
    audit = await sql.fetch("SELECT *, conversation::text AS c, agent::text AS who FROM chaos_audit ORDER BY id")
    ledger = Ledger(fenced=list(fenced))
    return Evidence(
        ledger=ledger,
        tick=0,
        heads={row["id"]: dict(row) for row in heads},
        rows=[],
        audit=list(map(dict, audit)),
        went_back=[],
        outages=[],
        crowding=1.0,
        final=True,
    )


def breaches(evidence: Evidence) -> list[str]:
    """Return what was not as it must be: one owner at every commit, and nobody with more than they can take."""
    return [words for rule in RULES for words in rule(evidence)]
