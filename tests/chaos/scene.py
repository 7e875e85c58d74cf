"""The people of one round: shops, visitors with tokens, agents with sessions."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx2

from app.contacts.models import Visitor as VisitorRow
from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId, uuid7
from tests.chaos.agent import Agent
from tests.chaos.house import ORIGIN, SECRET, House
from tests.chaos.ledger import Ledger
from tests.chaos.person import Doors
from tests.chaos.visitor import Visitor
from tests.journeys.cast import Shop, open_shop


@dataclass(frozen=True)
class Cast:
    """How many people there are.

    Attributes:
        visitors, agents, capacity: of each shop. More visitors than room: some always wait.
        pace: mean seconds between two acts of one person.
        lateness: how many of an agent's acts come too late.
    """

    visitors: tuple[int, ...] = (20, 8)
    agents: tuple[int, ...] = (4, 2)
    capacity: int = 4
    pace: float = 0.6
    lateness: float = 0.06


@dataclass
class Scene:
    """Who is there, and what they note down."""

    ledger: Ledger
    doors: Doors
    shops: list[Shop]
    visitors: list[Visitor]
    agents: list[Agent]

    @property
    def people(self) -> list[Visitor | Agent]:
        return [*self.agents, *self.visitors]

    @property
    def visitor_ids(self) -> list[UUID]:
        return [UUID(visitor.id) for visitor in self.visitors]

    @property
    def agent_ids(self) -> list[UUID]:
        return [UUID(agent.id) for agent in self.agents]

    @property
    def team_ids(self) -> list[UUID]:
        return [UUID(str(shop.team_id)) for shop in self.shops]

    async def strike(self) -> None:
        """Send everybody home."""
        await asyncio.gather(*(person.leave() for person in self.people))
        await self.doors.http.aclose()


async def set_scene(house: House, cast: Cast, seed: int) -> Scene:
    """Make a round's shops and people. Nobody is connected yet."""
    ledger = Ledger()
    # A new connection each time: one that is kept would mostly be found broken.
    limits = httpx2.Limits(max_keepalive_connections=0)
    http = httpx2.AsyncClient(timeout=6, trust_env=False, verify=False, limits=limits)
    doors = Doors(house.doors, ORIGIN, http)
    scene = Scene(ledger, doors, [], [], [])
    for number, (visitors, agents) in enumerate(zip(cast.visitors, cast.agents, strict=True)):
        shop = await open_shop(house.database)
        scene.shops.append(shop)
        for index in range(agents):
            name = f"agent-{number}{index}"
            duty = await shop.hire(name, capacity=cast.capacity)
            chance = random.Random(f"{seed} {name}")
            scene.agents.append(Agent(name, ledger, doors, chance, cast.pace, duty, str(shop.team_id), cast.lateness))
        names = [f"visitor-{number}{index}" for index in range(visitors)]
        for name, (visitor_id, token) in zip(names, await make_visitors(house, shop, visitors), strict=True):
            chance = random.Random(f"{seed} {name}")
            scene.visitors.append(Visitor(name, ledger, doors, chance, cast.pace, visitor_id, token))
    return scene


async def make_visitors(house: House, shop: Shop, count: int) -> list[tuple[str, str]]:
    """Make visitors of a shop; return their ids and tokens. (The way in lets only thirty a minute through.)"""
    made: list[tuple[str, str]] = []
    async with house.database.sessions() as session:
        for _ in range(count):
            visitor = VisitorRow(id=uuid7(), site_id=shop.site_id)
            session.add(visitor)
            token, _ = issue_visitor_token(
                SECRET.encode(), VisitorId(visitor.id), SiteId(UUID(str(shop.site_id))), 0, datetime.now(UTC)
            )
            made.append((str(visitor.id), token))
        await session.commit()
    return made
