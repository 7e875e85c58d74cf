"""Every statement on the table of jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.ids import uuid7

LEASE_S = 10.0
"""Seconds after which a job whose process died is taken by another."""
KEEP_DONE_DAYS = 7
"""How long a key that was done is remembered."""
KEEP_FAILED_DAYS = 30
LATE_S = 600
"""A job that nobody took for so long is late."""

_ADD = text(
    "INSERT INTO job (id, kind, key, payload, due_at) "
    "VALUES (:id, :kind, :key, :payload, now() + make_interval(secs => :after_s)) ON CONFLICT (key) DO NOTHING "
    "RETURNING true"
).bindparams(bindparam("payload", type_=JSONB))
_ADD_AT = text(
    "INSERT INTO job (id, kind, key, payload, due_at) VALUES (:id, :kind, :key, '{}', :at) ON CONFLICT (key) DO NOTHING"
)
_TAKE = text(
    f"""
UPDATE job SET due_at = now() + interval '{LEASE_S} seconds', hold = gen_random_uuid(), attempts = attempts + 1
WHERE id IN (
    SELECT id FROM job WHERE state = 'queued' AND due_at <= now() AND kind = ANY (:kinds)
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, key, payload, attempts, hold, created_at
"""
)
# Each of these does nothing when another has taken the job meanwhile.
_KEEP = text(
    f"UPDATE job SET due_at = now() + interval '{LEASE_S} seconds' WHERE id = :id AND hold = :hold RETURNING true"
)
_END = text(
    "UPDATE job SET state = :state, error = :error, hold = NULL, ended_at = now() WHERE id = :id AND hold = :hold"
)
_POSTPONE = text(
    "UPDATE job SET due_at = now() + make_interval(secs => :after_s), attempts = :attempts, error = :error, "
    "hold = NULL WHERE id = :id AND hold = :hold"
)
_FORGET = text(
    f"DELETE FROM job WHERE state = 'done' AND ended_at < now() - interval '{KEEP_DONE_DAYS} days' "
    f"OR state = 'failed' AND ended_at < now() - interval '{KEEP_FAILED_DAYS} days'"
)
_RETRY = text(
    "UPDATE job SET state = 'queued', attempts = 0, due_at = now(), ended_at = NULL "
    "WHERE state = 'failed' AND (:every OR id = ANY (:ids)) RETURNING id"
)
_COUNTS = text(
    "SELECT count(*) FILTER (WHERE state = 'queued') AS queued, count(*) FILTER (WHERE state = 'failed') AS failed, "
    f"count(*) FILTER (WHERE state = 'queued' AND due_at < now() - interval '{LATE_S} seconds') AS late FROM job "
    "WHERE state <> 'done'"
)
_LIST = text(
    "SELECT id, kind, key, state, attempts, due_at, hold IS NOT NULL AS running, error, created_at FROM job "
    "WHERE state = ANY (:states) ORDER BY state, due_at, id LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job in our hands.

    Attributes:
        attempt: 1 for the first.
        hold: ours alone; see `Job`.
    """

    id: UUID
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempt: int
    hold: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as an operator sees it."""

    id: UUID
    kind: str
    key: str
    state: str
    attempts: int
    due_at: datetime
    running: bool
    error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs wait, have failed, or should have been taken long ago."""

    queued: int
    failed: int
    late: int


async def add(
    session: AsyncSession,
    kind: str,
    key: str,
    payload: Mapping[str, Any],
    *,
    after_s: float = 0,
) -> bool:
    """Record a job in the caller's transaction: it exists if, and only if, that commits.

    Args:
        kind: who carries it out.
        key: what makes it the same job; a key that is queued, failed, or was done lately changes nothing.
        payload: ids, as JSON.
        after_s: seconds from now.

    Returns:
        Whether it is new.
    """
    values = {"id": uuid7(), "kind": kind, "key": key, "payload": dict(payload), "after_s": after_s}
    return bool((await session.execute(_ADD, values)).scalar_one_or_none())


async def add_at(session: AsyncSession, kind: str, key: str, at: datetime) -> None:
    """Record a job without payload for a moment of the clock."""
    await session.execute(_ADD_AT, {"id": uuid7(), "kind": kind, "key": key, "at": at})


async def take(session: AsyncSession, kinds: Collection[str], most: int) -> Sequence[TakenJob]:
    """Take jobs that are due, longest due first, for `LEASE_S`."""
    rows = await session.execute(_TAKE, {"kinds": list(kinds), "most": most})
    return [TakenJob(r.id, r.kind, r.key, r.payload, r.attempts, r.hold, r.created_at) for r in rows]


async def keep(session: AsyncSession, job: TakenJob) -> bool:
    """Keep a job for another `LEASE_S`; False when it is not ours any more."""
    return bool((await session.execute(_KEEP, {"id": job.id, "hold": job.hold})).scalar_one_or_none())


async def end(session: AsyncSession, job: TakenJob, error: str | None = None) -> None:
    """It is done; with an error, it has failed for good."""
    state = "done" if error is None else "failed"
    await session.execute(_END, {"id": job.id, "hold": job.hold, "state": state, "error": error})


async def postpone(
    session: AsyncSession, job: TakenJob, after_s: float, attempts: int, error: str | None = None
) -> None:
    """Put a job back for `after_s` seconds, with so many attempts counted."""
    values = {"id": job.id, "hold": job.hold, "after_s": after_s, "attempts": attempts, "error": error}
    await session.execute(_POSTPONE, values)


async def forget_old(session: AsyncSession) -> None:
    """Delete what was done a week ago, or failed a month ago."""
    await session.execute(_FORGET)


async def retry(session: AsyncSession, ids: Collection[UUID] | None) -> int:
    """Queue failed jobs again: those named, or all. Returns how many there were."""
    rows = await session.execute(_RETRY, {"every": ids is None, "ids": list(ids or ())})
    return len(rows.all())


async def counts(session: AsyncSession) -> Counts:
    """Return how many there are."""
    row = (await session.execute(_COUNTS)).one()
    return Counts(row.queued, row.failed, row.late)


async def listed(session: AsyncSession, states: Collection[str], most: int) -> Sequence[ListedJob]:
    """Return jobs in these states, the failed ones first."""
    rows = await session.execute(_LIST, {"states": list(states), "most": most})
    return [ListedJob(*row) for row in rows]
