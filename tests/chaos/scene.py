"""The people of one round: shops, visitors with tokens, agents with sessions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import httpx2
from sqlalchemy import update

from app.contacts.models import Visitor as VisitorRow
from app.identity.models import Site as SiteRow
from app.identity.models import Team, TeamMember
from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId, uuid7
from tests.chaos.agent import Agent, Shift
from tests.chaos.house import ORIGIN, SECRET, House
from tests.chaos.ledger import Ledger
from tests.chaos.person import Doors
from tests.chaos.visitor import Visitor
from tests.journeys.cast import AgentOnDuty, Shop, open_shop


@dataclass(frozen=True)
class Crew:
    """A team of a shop.

    Attributes:
        agents: what each of them can do.
        lent: how many of the first team's agents are members, too.
        mode, strategy, share: as in `app.identity.models.Team`.
        helps_itself: how many of their idle moments its agents use to take somebody who waits.
    """

    agents: tuple[tuple[str, ...], ...] = ((),)
    lent: int = 0
    mode: str = "direct"
    strategy: str = "least_busy"
    share: int | None = None
    helps_itself: float = 0.5


@dataclass(frozen=True)
class Business:
    """A shop: visitors of one site, and its teams. The site's is the first.

    Attributes:
        overflow_after_s: after so long the second team takes over from the first.
        needs: what every agent of its visitors must be able to do.
        languages: what its visitors' browsers speak, in turn.
    """

    visitors: int
    crews: tuple[Crew, ...]
    overflow_after_s: int | None = None
    needs: tuple[str, ...] = ()
    languages: tuple[str | None, ...] = (None,)


BUSINESSES = (
    # By language, with too few who speak German; the second team takes over soon, and is asked.
    Business(
        20,
        (
            Crew(agents=(("de", "en"), ("en",), ("en",))),
            Crew(agents=(("de",), ()), lent=1, mode="offer", strategy="round_robin", share=2),
        ),
        overflow_after_s=5,
        languages=("en-GB", "de", None, "fr"),
    ),
    # What not everybody can do; a second team whose agents help themselves, now and then.
    Business(
        8,
        (
            Crew(agents=(("billing",), ("billing",), ()), mode="offer", strategy="longest_idle"),
            Crew(agents=((),), strategy="manual", helps_itself=0.1),
        ),
        needs=("billing",),
    ),
)


@dataclass(frozen=True)
class Cast:
    """How many people there are, and of what kind.

    Attributes:
        capacity: of each agent. More visitors than room: some always wait.
        pace: mean seconds between two acts of one person.
        lateness: how many of an agent's acts come too late.
    """

    businesses: tuple[Business, ...] = BUSINESSES
    capacity: int = 3
    pace: float = 0.6
    lateness: float = 0.06


@dataclass
class Scene:
    """Who is there, and what they note down."""

    ledger: Ledger
    doors: Doors
    shops: list[Shop] = field(default_factory=list)
    team_ids: list[UUID] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)

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
    def site_ids(self) -> list[UUID]:
        return [UUID(str(shop.site_id)) for shop in self.shops]

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
    scene = Scene(ledger, doors)
    for number, business in enumerate(cast.businesses):
        shop = await open_shop(house.database)
        scene.shops.append(shop)
        await _staff(house, scene, cast, seed, shop, business, number)
        site = {"skills": list(business.needs), "by_language": any(business.languages)}
        await _set(house, SiteRow, shop.site_id, site)
        for index, (visitor_id, token) in enumerate(await make_visitors(house, shop, business.visitors)):
            name, language = f"visitor-{number}{index}", business.languages[index % len(business.languages)]
            chance = random.Random(f"{seed} {name}")
            scene.visitors.append(Visitor(name, ledger, doors, chance, cast.pace, visitor_id, token, language))
    return scene


async def _staff(
    house: House, scene: Scene, cast: Cast, seed: int, shop: Shop, business: Business, number: int
) -> None:
    """Make a shop's teams and their agents."""
    teams: list[UUID] = []
    duties: list[tuple[AgentOnDuty, Crew]] = []
    for index, crew in enumerate(business.crews):
        team = UUID(str(shop.team_id)) if index == 0 else await _team(house)
        teams.append(team)
        await _set(house, Team, team, {"mode": crew.mode, "strategy": crew.strategy, "share": crew.share})
        first = [duty for duty, _ in duties[: crew.lent]]
        await _add(house, team, first)
        for skills in crew.agents:
            name = f"agent-{number}{len(duties)}"
            duty = await replace(shop, team_id=team).hire(name, capacity=cast.capacity, skills=skills)
            duties.append((duty, crew))
    if business.overflow_after_s is not None:
        over = {"overflow_team_id": teams[1], "overflow_after_s": business.overflow_after_s}
        await _set(house, Team, teams[0], over)
    scene.team_ids += teams
    for duty, crew in duties:
        colleagues = [other.id for other, _ in duties if other is not duty]
        shift = Shift(duty, cast.lateness, crew.helps_itself, colleagues, [str(team) for team in teams])
        chance = random.Random(f"{seed} {duty.name}")
        scene.agents.append(Agent(duty.name, scene.ledger, scene.doors, chance, cast.pace, shift))


async def _team(house: House) -> UUID:
    async with house.database.sessions() as session:
        team = Team(id=uuid7(), name=f"Others {uuid7().hex[-6:]}")
        session.add(team)
        await session.commit()
    return team.id


async def _add(house: House, team: UUID, duties: Sequence[AgentOnDuty]) -> None:
    async with house.database.sessions() as session:
        session.add_all(TeamMember(team_id=team, agent_id=UUID(duty.id)) for duty in duties)
        await session.commit()


async def _set(house: House, kind: type[Team] | type[SiteRow], row: object, values: Mapping[str, object]) -> None:
    async with house.database.sessions() as session:
        await session.execute(update(kind).where(kind.id == row).values(**values))
        await session.commit()


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
