"""Who is connected: leases in Postgres, one heartbeat row a process.

A person is present while a row names them on a gateway whose own row was seen within `GATEWAY_LEASE_S`. When a
process dies, nobody deletes its rows; the sweeper does, and dates its people's absence from its last heartbeat.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

HEARTBEAT_S = 3.0
GATEWAY_LEASE_S = 10.0

Kind = Literal["agent", "visitor"]

_LIVE = f"""
    SELECT 1 FROM presence here JOIN gateway g ON g.id = here.gateway_id
    WHERE here.subject = {{subject}} AND g.seen_at > now() - interval '{GATEWAY_LEASE_S} seconds'
"""


def live_sql(subject: str) -> str:
    """Return an SQL condition that is true while `subject` (a column or parameter) is connected somewhere."""
    return f"EXISTS ({_LIVE.format(subject=subject)})"


async def is_connected(session: AsyncSession, subject: UUID) -> bool:
    """Tell whether a person has a socket on any living process."""
    found = await session.execute(text(f"SELECT {live_sql(':subject')}"), {"subject": subject})
    return bool(found.scalar_one())


async def heartbeat(session: AsyncSession, gateway_id: UUID) -> bool:
    """Keep this process's presences alive; call it every `HEARTBEAT_S`.

    Returns:
        True when the others had given this process up: everybody on it must `arrive` again.
    """
    row = await session.execute(
        text(
            "INSERT INTO gateway (id) VALUES (:id) "
            "ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp() RETURNING xmax = 0"
        ),
        {"id": gateway_id},
    )
    return bool(row.scalar_one())


async def arrive(session: AsyncSession, gateway_id: UUID, subject: UUID, kind: Kind) -> bool:
    """A person's first socket on this process.

    Returns:
        True when the others had given this process up, as for `heartbeat`.
    """
    made = await session.execute(
        text("INSERT INTO gateway (id) VALUES (:id) ON CONFLICT DO NOTHING RETURNING true"), {"id": gateway_id}
    )
    # After an outage the lease may have run out with the heartbeat still to come: whoever announces people is alive.
    # The condition keeps the row free of locks on all other days.
    await session.execute(
        text(
            "UPDATE gateway SET seen_at = clock_timestamp() "
            f"WHERE id = :id AND seen_at < now() - interval '{HEARTBEAT_S} seconds'"
        ),
        {"id": gateway_id},
    )
    await session.execute(
        text(
            "INSERT INTO presence (subject, gateway_id, kind) VALUES (:subject, :gateway, :kind) ON CONFLICT DO NOTHING"
        ),
        {"subject": subject, "gateway": gateway_id, "kind": kind},
    )
    await _touch(session, kind, [subject], "now()")
    return bool(made.scalar_one_or_none())


async def depart(session: AsyncSession, gateway_id: UUID, subject: UUID, kind: Kind, silent_s: float = 0.0) -> None:
    """A person's last socket on this process is gone; they were last heard `silent_s` seconds ago."""
    await session.execute(
        text("DELETE FROM presence WHERE subject = :subject AND gateway_id = :gateway"),
        {"subject": subject, "gateway": gateway_id},
    )
    await _touch(session, kind, [subject], "now() - make_interval(secs => :silent)", silent=silent_s)


async def forget_dead_gateways(session: AsyncSession, but: UUID) -> list[tuple[UUID, Kind]]:
    """Remove processes whose lease ran out, but for the one that asks. Returns the people who were on them."""
    rows = await session.execute(
        text(
            f"""
            WITH dead AS (
                DELETE FROM gateway WHERE id <> :but AND seen_at < now() - interval '{GATEWAY_LEASE_S} seconds'
                RETURNING id, seen_at
            )
            SELECT p.subject, p.kind, d.seen_at FROM dead d JOIN presence p ON p.gateway_id = d.id ORDER BY p.subject
            """
        ),
        {"but": but},
    )
    people: list[tuple[UUID, Kind]] = []
    for subject, kind, seen_at in rows:
        await _touch(session, kind, [subject], ":seen_at", seen_at=seen_at)
        people.append((subject, kind))
    return people


async def _touch(session: AsyncSession, kind: Kind, subjects: list[UUID], moment: str, **values: object) -> None:
    """Date when people were last seen; agents also get a new revision, so that the queue looks again."""
    more = ", rev = rev + 1" if kind == "agent" else ""
    await session.execute(
        text(f"UPDATE {kind} SET seen_at = {moment}{more} WHERE id = ANY (:subjects)"),
        {"subjects": subjects, **values},
    )
