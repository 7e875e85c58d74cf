"""Who is connected: leases in Postgres, one heartbeat row a process.

A person is present while a row names them on a gateway whose own row was seen within `GATEWAY_LEASE_S`. When a
process dies, nobody deletes its rows; the sweeper does, and dates its people's absence from its last heartbeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

HEARTBEAT_S = 3.0
GATEWAY_LEASE_S = 10.0

Kind = Literal["agent", "visitor"]

# OFFSET 0 keeps it a look at an index. Without, Postgres takes those of one team for many and hashes all presences.
_LIVE = f"""
    SELECT 1 FROM presence here JOIN gateway g ON g.id = here.gateway_id
    WHERE here.subject = {{subject}} AND g.seen_at > now() - interval '{GATEWAY_LEASE_S} seconds' OFFSET 0
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


async def arrive(session: AsyncSession, gateway_id: UUID, people: Sequence[tuple[UUID, Kind]]) -> bool:
    """The first sockets of these people on this process.

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
            "INSERT INTO presence (subject, gateway_id, kind) "
            "SELECT subject, :gateway, kind FROM unnest(CAST(:subjects AS uuid[]), CAST(:kinds AS text[])) "
            "AS new (subject, kind) ON CONFLICT DO NOTHING"
        ),
        {
            "gateway": gateway_id,
            "subjects": [subject for subject, _ in people],
            "kinds": [kind for _, kind in people],
        },
    )
    await _touch(session, people, "now()")
    return bool(made.scalar_one_or_none())


async def depart(session: AsyncSession, gateway_id: UUID, people: Sequence[tuple[UUID, Kind, float]]) -> None:
    """The last sockets of these people on this process are gone; each was last heard so many seconds ago."""
    await session.execute(
        text("DELETE FROM presence WHERE subject = ANY (:subjects) AND gateway_id = :gateway"),
        {"subjects": [subject for subject, _, _ in people], "gateway": gateway_id},
    )
    silences = [silent_s for _, _, silent_s in people]
    await _touch(
        session,
        [(subject, kind) for subject, kind, _ in people],
        "now() - make_interval(secs => (CAST(:silences AS float8[]))[them.n])",
        silences=silences,
    )


async def forget_dead_gateways(session: AsyncSession, but: UUID) -> list[tuple[UUID, Kind]]:
    """Remove processes whose lease ran out, but for the one that asks. Returns the people who were on them."""
    rows = await session.execute(
        text(
            f"""
            WITH dead AS (
                DELETE FROM gateway WHERE id <> :but AND seen_at < now() - interval '{GATEWAY_LEASE_S} seconds'
                RETURNING id, seen_at
            )
            SELECT p.subject, p.kind, d.seen_at FROM dead d JOIN presence p ON p.gateway_id = d.id
            ORDER BY p.subject, d.seen_at
            """
        ),
        {"but": but},
    )
    dead = rows.all()
    people: list[tuple[UUID, Kind]] = [(subject, kind) for subject, kind, _ in dead]
    await _touch(session, people, "(CAST(:seen AS timestamptz[]))[them.n]", seen=[seen_at for _, _, seen_at in dead])
    return people


async def _touch(session: AsyncSession, people: Sequence[tuple[UUID, Kind]], moment: str, **values: object) -> None:
    """Date when people were last seen; agents also get a new revision, so that the queue looks again.

    Args:
        moment: an SQL expression; `them.n` is somebody's place among `people`, from 1.
    """
    for kind, more in (("agent", ", rev = rev + 1"), ("visitor", "")):
        places = {subject: n for n, (subject, each) in enumerate(people, 1) if each == kind}
        if places:
            # In order: two processes that date the same people must not wait for each other in a circle.
            await session.execute(
                text(
                    f"""
                    UPDATE {kind} SET seen_at = {moment}{more}
                    FROM (
                        SELECT {kind}.id, given.n
                        FROM unnest(CAST(:subjects AS uuid[]), CAST(:places AS int[])) AS given (id, n)
                        JOIN {kind} USING (id) ORDER BY {kind}.id FOR UPDATE OF {kind}
                    ) AS them WHERE {kind}.id = them.id
                    """
                ),
                {"subjects": list(places), "places": list(places.values()), **values},
            )
