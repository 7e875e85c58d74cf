"""How the index in Redis writes down who waits and who is there; the scripts read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from app.chat.models import Conversation
from app.routing.assignment import Candidate, Pair, Waiting

RULE = """
CASE WHEN c.reserved_for IS NOT NULL THEN '=' || c.reserved_for
     WHEN c.declined <> '{}' THEN '!' || array_to_string(c.declined, ',') ELSE '' END
"""
"""SQL: `Waiting.rule` of a `conversation c`."""


def arrival_args(waiting: Iterable[Waiting], *, hold: bool = False) -> list[str | int]:
    """Return what arrival.lua wants to know of conversations.

    Args:
        hold: they stand in line, and nobody is paired yet.
    """
    args: list[str | int] = [int(hold)]
    for each in waiting:
        args += [each.score, each.id, each.lane, each.rule]
    return args


def slot_args(agent: Candidate) -> list[str | int]:
    """Return what slot_freed.lua wants to know of an agent."""
    return [agent.id, *agent_fields(agent).values()]


def agent_fields(agent: Candidate) -> dict[str, str | int]:
    """Return an agent's hash. A place is written team:strategy:room, room being empty without a bound of its own."""
    places = (f"{place.team}:{place.strategy}:{'' if place.room is None else place.room}" for place in agent.places)
    return {
        "load": agent.load,
        "capacity": agent.capacity,
        "rev": agent.rev,
        "last": agent.last_ms,
        "free": agent.free_ms,
        "places": ",".join(places),
        "skills": ",".join(agent.skills),
    }


def pairs_of(found: Sequence[tuple[bytes, bytes, bytes, bytes]]) -> list[Pair]:
    """Return the pairs that a script proposed."""
    return [Pair(c.decode(), a.decode(), lane.decode(), int(score)) for c, a, lane, score in found]


def waiting_of(row: Row[Any] | Conversation) -> Waiting:
    """Return a conversation in line, as Postgres has it."""
    return Waiting(
        str(row.id),
        str(row.team_id),
        row.score,
        tuple(row.skills),
        str(row.reserved_for) if row.reserved_for else None,
        tuple(str(each) for each in row.declined),
    )
