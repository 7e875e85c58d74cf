"""The lines of a pairing measurement: who waits, who answers, and the few of them who have a socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.bench.scene import SITE, Connection, copy_rows, issue_tickets
from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId, uuid7

LANES_EACH = 4
"""Teams of one agent."""
ON_STAGE = 20
"""Agents with a socket; the others are there, and full."""
IN_FRONT = 480
"""Visitors with a socket. They have waited longest, so the agents on stage get them. The others are there too."""

_EMPTY = "TRUNCATE site, team, agent, visitor, conversation, gateway, presence CASCADE"
_LINES = """
WITH waiting AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, gen_random_uuid() AS visitor, gen_random_uuid() AS episode, n,
           ($2::uuid[])[1 + n % cardinality($2::uuid[])] AS team, $3::timestamptz + n * interval '1 ms' AS at
    FROM generate_series(1, $4::int) n
), visitors AS (
    INSERT INTO visitor (id, site_id, seen_at) SELECT visitor, $1, at FROM waiting
), there AS (
    INSERT INTO presence (subject, gateway_id, kind) SELECT visitor, $5, 'visitor' FROM waiting
), threads AS (
    INSERT INTO conversation (id, site_id, team_id, visitor_id, state, gen, episode, score, queued_at, changed_at)
    SELECT id, $1, team, visitor, 'waiting', 1, 1, (extract(epoch FROM at) * 1000)::bigint, at, at FROM waiting
)
INSERT INTO episode (id, conversation_id, number, site_id, team_id, queued_at)
SELECT episode, id, 1, $1, team, at FROM waiting
"""


@dataclass(frozen=True)
class Lines:
    """Who has a socket.

    Attributes:
        agents: their ids and tickets. They take no chats until they say so.
        visitors: their conversations and tokens, longest waiting first.
    """

    agents: list[tuple[UUID, str]]
    visitors: list[tuple[UUID, str]]


async def set_lines(sql: Connection, secret_key: str, waiting: int, agents: int, lanes: int) -> Lines:
    """Empty the database, which is a measurement's, and fill it anew.

    Args:
        waiting: conversations in all, spread over the lanes.
        agents: with one conversation each, and room for one.
        lanes: teams.
    """
    now = datetime.now(UTC)
    site, teams, people = uuid7(), [uuid7() for _ in range(lanes)], [uuid7() for _ in range(agents)]
    await sql.execute(_EMPTY)
    async with sql.transaction():
        await copy_rows(sql, "team", [{"id": team, "name": f"Bench {n}"} for n, team in enumerate(teams)])
        await copy_rows(
            sql,
            "site",
            [{"id": site, "key": SITE + site.hex[-12:], "name": "Bench", "identity_secret": "", "team_id": teams[0]}],
        )
        await copy_rows(sql, "agent", [_agent(n, agent, now) for n, agent in enumerate(people)])
        await copy_rows(
            sql,
            "team_member",
            [{"team_id": team, "agent_id": agent} for n, agent in enumerate(people) for team in _lanes_of(n, teams)],
        )
        # To a server process that never falls silent.
        elsewhere = uuid7()
        await sql.execute("INSERT INTO gateway (id, seen_at) VALUES ($1, 'infinity')", elsewhere)
        there = [{"subject": agent, "gateway_id": elsewhere, "kind": "agent"} for agent in people[ON_STAGE:]]
        await copy_rows(sql, "presence", there)
        await sql.execute(_LINES, site, teams, now - timedelta(hours=1), waiting, elsewhere)
        tickets = await issue_tickets(sql, people[:ON_STAGE], now)
    await sql.execute("VACUUM ANALYZE")
    front = await sql.fetch(
        "SELECT id, visitor_id FROM conversation WHERE team_id = ANY ($2) ORDER BY score, id LIMIT $1",
        IN_FRONT,
        [team for n in range(min(ON_STAGE, agents)) for team in _lanes_of(n, teams)],
    )
    tokens = [
        issue_visitor_token(secret_key.encode(), VisitorId(row["visitor_id"]), SiteId(site), 0, now)[0] for row in front
    ]
    return Lines(
        list(zip(people[:ON_STAGE], tickets, strict=True)),
        list(zip([row["id"] for row in front], tokens, strict=True)),
    )


def _agent(number: int, agent: UUID, now: datetime) -> dict[str, object]:
    on_stage = number < ON_STAGE
    return {
        "id": agent,
        "email": f"{agent.hex}@bench.example",
        "name": f"Agent {number}",
        "password_hash": "",
        "capacity": 1,
        "load": 0 if on_stage else 1,
        "accepting": not on_stage,
        "seen_at": now,
    }


def _lanes_of(number: int, teams: Sequence[UUID]) -> list[UUID]:
    first = number * LANES_EACH
    return list({teams[(first + place) % len(teams)]: None for place in range(LANES_EACH)})
