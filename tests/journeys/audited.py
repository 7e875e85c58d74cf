"""What Postgres saw of every commit, for journeys: the audit of the fault campaign, and its judges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import ownership
from tests.chaos.ledger import Fenced, Frame, Ledger

AUDIT = Path(__file__).parents[1] / "chaos" / "audit.sql"
MORE_AUDIT = """
ALTER TABLE chaos_audit ADD COLUMN began timestamptz DEFAULT now(), ADD COLUMN team uuid, ADD COLUMN score bigint,
    ADD COLUMN declined uuid[];
CREATE FUNCTION race_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT team_id, score, declined INTO NEW.team, NEW.score, NEW.declined
    FROM conversation WHERE id = NEW.conversation;
    RETURN NEW;
END $$;
CREATE TRIGGER race_line BEFORE INSERT ON chaos_audit FOR EACH ROW EXECUTE FUNCTION race_line();
"""
"""Beside the audit: when the transaction began, in which line the conversation stands at its end, who declined it."""

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


@dataclass
class Line:
    """What the audit says of the lines.

    Attributes:
        overtaken: how often others of the same line with a larger score were offered, by conversation; but for
            those times when its own offer was being written.
        swapped: how often that was so.
        room_s: from the end of a conversation, while somebody waited, to the agent's next one.
    """

    overtaken: Counter[str] = field(default_factory=Counter)
    swapped: int = 0
    room_s: list[float] = field(default_factory=list)


def judge_lines(audit: list[Frame], commits: list[Frame], teams: dict[Any, Any]) -> Line:
    """Go through the commits of a race in their order.

    Args:
        audit: all rows, as `tests.chaos.evidence` has them.
        commits: those of conversations, the last of each transaction.
        teams: the team of each agent.
    """
    line = Line()
    last = {id(row) for row in commits}
    following: dict[int, Frame] = {}
    newest: dict[str, Frame] = {}
    for row in commits:
        if row["c"] in newest:
            following[id(newest[row["c"]])] = row
        newest[row["c"]] = row
    # Who waits, by team; the state that each was in before; when each agent got room.
    waiting: defaultdict[Any, dict[str, Frame]] = defaultdict(dict)
    before: dict[str, Frame] = {}
    load: Counter[Any] = Counter()
    room: defaultdict[Any, list[Any]] = defaultdict(list)
    for row in audit:
        if row["c"] is None:
            team, agent = teams.get(row["agent"]), row["agent"]
            if row["load"] < load[agent] and waiting[team]:
                room[agent].append(row["at"])
            elif row["load"] > load[agent] and room[agent]:
                line.room_s.append((row["at"] - room[agent].pop(0)).total_seconds())
            load[agent] = row["load"]
            continue
        if id(row) not in last:
            continue
        old = before.get(row["c"])
        if old is not None:
            waiting[old["team"]].pop(row["c"], None)
            if not waiting[old["team"]]:
                for agent in [a for a in room if teams.get(a) == old["team"]]:
                    room[agent].clear()
        if row["state"] == "waiting":
            waiting[row["team"]][row["c"]] = row
        elif row["state"] == "offered" and old is not None and old["state"] == "waiting":
            place = (row["score"], row["c"])
            for other in waiting[row["team"]].values():
                if (other["score"], other["c"]) >= place or row["agent"] in other["declined"]:
                    continue
                then = following[id(other)]
                # It came into line after this offer was under way, or its own was.
                if then["began"] <= row["at"] or other["at"] >= row["began"]:
                    line.swapped += 1
                else:
                    line.overtaken[other["c"]] += 1
        before[row["c"]] = row
    return line
