"""The day so far, for the overview page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.reports.queries import query


@dataclass(frozen=True, slots=True)
class AgentNow:
    """An agent as they are right now."""

    name: str
    load: int
    capacity: int
    accepting: bool
    online: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class Today:
    """The day so far. Waits are in seconds; None when there was none.

    Attributes:
        episodes: chats that began today (offline messages apart).
        answered: those that an agent took.
        abandoned: those that the visitor left before.
        wait_p50, wait_p90: queue wait of the answered ones.
        waiting_now, longest_wait, active_now, left_messages: how things stand.
        agents: everybody active, those who are here first.
    """

    episodes: int
    answered: int
    abandoned: int
    wait_p50: float | None
    wait_p90: float | None
    waiting_now: int
    longest_wait: float | None
    active_now: int
    left_messages: int
    agents: Sequence[AgentNow]


async def today(session: AsyncSession, now: datetime) -> Today:
    """Return the day so far. The day began at midnight UTC."""
    began = now.replace(hour=0, minute=0, second=0, microsecond=0)
    row = (await session.execute(query("today"), {"from_at": began, "now": now})).mappings().one()
    agents = (await session.execute(query("today_agents"), {"now": now})).mappings().all()
    return Today(
        episodes=row["episodes"],
        answered=row["answered"],
        abandoned=row["abandoned"],
        wait_p50=_seconds(row["wait_p50"]),
        wait_p90=_seconds(row["wait_p90"]),
        waiting_now=row["waiting_now"],
        longest_wait=_seconds(row["longest_wait"]),
        active_now=row["active_now"],
        left_messages=row["left_messages"],
        agents=[AgentNow(a["name"], a["load"], a["capacity"], a["accepting"], a["online"], a["note"]) for a in agents],
    )


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))
