"""The people of a measurement: rows in the database, and the tokens and tickets that they sign in with."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from app.bench.orders import Seat
from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId, uuid7

PER_AGENT = 4
"""Conversations of one agent."""
ARRIVAL = timedelta(minutes=10)
AGE = timedelta(hours=1)
"""Since a conversation was assigned: not just now, or every agent would be told of it once more."""
SITE = "s_bench_"

EACH = 50
"""Messages of one conversation in a filled database."""
_FILL = """
WITH old AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, gen_random_uuid() AS visitor, now() - n * interval '1 minute' AS at
    FROM generate_series(1, $3::int) n
), visitors AS (
    INSERT INTO visitor (id, site_id, seen_at) SELECT visitor, $1, at FROM old
), threads AS (
    INSERT INTO conversation
        (id, site_id, team_id, visitor_id, state, episode, public_seq, queued_at, closed_at, changed_at)
    SELECT id, $1, $2, visitor, 'closed', 1, $4::int, at, at, at FROM old
)
INSERT INTO message (conversation_id, lane, seq, m, kind, sender_kind, sender_id, episode, at, body)
SELECT id, 0, s, gen_random_uuid(), 'message', 'visitor', visitor, 1, at,
       jsonb_build_object('text', 'Is the blue one still to be had in size ' || s || ', and when would it come?')
FROM old CROSS JOIN generate_series(1, $4::int) s
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Scene:
    """Who is there.

    Attributes:
        conversations: their ids.
        seats: a socket each; those of conversations first, agents before visitors.
    """

    conversations: list[UUID]
    seats: list[Seat]


async def set_scene(
    connection: Connection, secret_key: str, ports: Sequence[int], conversations: int, sockets: int, windows: int = 1
) -> Scene:
    """Make a site with active conversations; visitors without one fill up to `sockets`.

    Visitors of even conversations sit at the first port and their agents at the second; the others the other way
    round. So every word crosses from one process to the other. Of several windows of one person every second is at
    the other port.

    Args:
        windows: sockets of each person in a conversation.
    """
    now = datetime.now(UTC)
    # All are on their way; whoever opens sockets slowly should not find conversations taken back meanwhile.
    soon = now + ARRIVAL
    site_id, team_id = uuid7(), uuid7()
    threads = [uuid7() for _ in range(conversations)]
    shifts = [list(range(parity, conversations, 2)) for parity in (0, 1)]
    agents = [(uuid7(), shift[at : at + PER_AGENT]) for shift in shifts for at in range(0, len(shift), PER_AGENT)]
    visitors = [uuid7() for _ in range(max(conversations, sockets - len(agents)))]
    agent_of = {place: agent for agent, places in agents for place in places}
    async with connection.transaction():
        await connection.execute("INSERT INTO team (id, name) VALUES ($1, $2)", team_id, f"Bench {team_id.hex[-8:]}")
        await connection.execute(
            "INSERT INTO site (id, key, name, identity_secret, team_id) VALUES ($1, $2, 'Bench', '', $3)",
            site_id,
            SITE + site_id.hex[-12:],
            team_id,
        )
        await copy_rows(
            connection,
            "agent",
            [
                {
                    "id": agent,
                    "email": f"{agent.hex}@bench.example",
                    "name": f"Agent {number}",
                    "password_hash": "",
                    "capacity": PER_AGENT,
                    "load": len(places),
                    "seen_at": soon,
                }
                for number, (agent, places) in enumerate(agents, 1)
            ],
        )
        await copy_rows(connection, "team_member", [{"team_id": team_id, "agent_id": agent} for agent, _ in agents])
        await copy_rows(
            connection, "visitor", [{"id": visitor, "site_id": site_id, "seen_at": soon} for visitor in visitors]
        )
        await copy_rows(
            connection,
            "conversation",
            [
                {
                    "id": thread,
                    "site_id": site_id,
                    "team_id": team_id,
                    "visitor_id": visitors[place],
                    "state": "active",
                    "gen": 1,
                    "agent_id": agent_of[place],
                    "episode": 1,
                    "assigned_at": now,
                    "changed_at": now - AGE,
                }
                for place, thread in enumerate(threads)
            ],
        )
        episodes = [uuid7() for _ in threads]
        await copy_rows(
            connection,
            "episode",
            [
                {
                    "id": episodes[place],
                    "conversation_id": thread,
                    "number": 1,
                    "site_id": site_id,
                    "team_id": team_id,
                    "agent_id": agent_of[place],
                    "queued_at": now,
                    "assigned_at": now,
                }
                for place, thread in enumerate(threads)
            ],
        )
        await copy_rows(
            connection,
            "stint",
            [
                {"id": uuid7(), "episode_id": episode, "agent_id": agent_of[place], "started_at": now}
                for place, episode in enumerate(episodes)
            ],
        )
        tickets = await issue_tickets(connection, [agent for agent, _ in agents] * windows, now)

    def token(visitor: UUID) -> str:
        return issue_visitor_token(secret_key.encode(), VisitorId(visitor), SiteId(site_id), 0, now)[0]

    seats = [
        Seat(ports[(1 + places[0] + number // len(agents)) % 2], ticket, "agent", places)
        for number, ((_, places), ticket) in enumerate(zip(agents * windows, tickets, strict=True))
    ]
    seats += [
        Seat(ports[(place + window) % 2], token(visitor), "visitor", [place] if place < conversations else [])
        for window in range(windows)
        for place, visitor in enumerate(visitors[: conversations if window else None])
    ]
    return Scene(threads, seats)


async def fill(connection: Connection, messages: int) -> None:
    """Store closed conversations with so many messages in all, as a year of business leaves them."""
    site_id, team_id = uuid7(), uuid7()
    async with connection.transaction():
        await connection.execute("INSERT INTO team (id, name) VALUES ($1, $2)", team_id, f"Bench {team_id.hex[-8:]}")
        await connection.execute(
            "INSERT INTO site (id, key, name, identity_secret, team_id) VALUES ($1, $2, 'Bench', '', $3)",
            site_id,
            SITE + site_id.hex[-12:],
            team_id,
        )
        await connection.execute(_FILL, site_id, team_id, messages // EACH, EACH)
    await connection.execute("VACUUM ANALYZE")


async def strike_scene(connection: Connection, scene: Scene) -> None:
    """Close its conversations, so that nobody looks for new agents when these have left."""
    await connection.execute(
        "UPDATE conversation SET state = 'closed', closed_at = now(), last_agent_id = agent_id, agent_id = NULL, "
        "gen = gen + 1 WHERE id = ANY ($1)",
        scene.conversations,
    )


async def foreign_sites(connection: Connection) -> int:
    """Count the sites that no measurement made."""
    found: int = await connection.fetchval("SELECT count(*) FROM site WHERE NOT starts_with(key, $1)", SITE)
    return found


async def issue_tickets(connection: Connection, agents: Sequence[UUID], now: datetime) -> list[str]:
    """Sign every agent in and return their socket tickets, valid for longer than usual: all come at once."""
    sessions = [uuid7() for _ in agents]
    tickets = [secrets.token_urlsafe(32) for _ in agents]
    end = now + timedelta(hours=1)
    await copy_rows(
        connection,
        "agent_session",
        [
            {
                "id": session,
                "agent_id": agent,
                "token_hash": secrets.token_bytes(32),
                "created_at": now,
                "last_seen_at": now,
                "expires_at": end,
            }
            for session, agent in zip(sessions, agents, strict=True)
        ],
    )
    await copy_rows(
        connection,
        "socket_ticket",
        [
            {"token_hash": hashlib.sha256(ticket.encode()).digest(), "session_id": session, "expires_at": end}
            for session, ticket in zip(sessions, tickets, strict=True)
        ],
    )
    return tickets


async def copy_rows(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await connection.copy_records_to_table(
            table, columns=list(rows[0]), records=[tuple(row.values()) for row in rows]
        )
