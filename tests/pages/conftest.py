"""A whole server process in memory, and browsers without a window."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx2 as httpx
import pytest

from app.identity.models import Agent, Site, Team
from app.identity.permissions import Role
from app.infra.work import Work
from app.main import Deskbell, create_app
from app.settings import Settings
from tests.people import a_session, a_site, a_team, an_agent

URL = "http://127.0.0.1:8000"
Visit = Callable[..., Awaitable[httpx.AsyncClient]]


@dataclass
class Cast:
    """One of each role, all in one team but Otto, and a site."""

    team: Team
    site: Site
    agents: dict[str, Agent]


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Deskbell]:
    """A server process on http://127.0.0.1:8000, as far as it knows, that only answers HTTP: its own clocks stand."""
    app = create_app(settings.replaced(public_url=URL))
    yield app
    await app.background.finish(patience_s=0.5)
    await app.redis.aclose()
    await app.database.close()


@pytest.fixture
async def cast(server: Deskbell) -> Cast:
    async with server.database.sessions.begin() as session:
        # Nobody reacts to this: what other processes would be told is not what these tests are about.
        work = Work(session)
        team = await a_team(work)
        site = await a_site(work, team, key="s_shop")
        agents = {
            "ana": await an_agent(work, "Ana", Role.AGENT, team),
            "mei": await an_agent(work, "Mei", Role.SUPERVISOR, team),
            "ada": await an_agent(work, "Ada", Role.ADMIN, team),
            "olga": await an_agent(work, "Olga", Role.OWNER, team),
            "otto": await an_agent(work, "Otto", Role.AGENT),
        }
    return Cast(team, site, agents)


@pytest.fixture
async def visit(server: Deskbell, cast: Cast) -> AsyncIterator[Visit]:
    """Open a browser: `await visit()` for nobody, `await visit("ana")` for somebody signed in."""
    clients: list[httpx.AsyncClient] = []

    async def open_one(name: str | None = None, **options: object) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(server, raise_app_exceptions=False)
        headers = {"Origin": URL, "Accept": "text/html,*/*"}
        client = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers, **options)  # pyright: ignore[reportArgumentType]
        if name is not None:
            async with server.work.begin() as work:
                client.cookies.set("deskbell", await a_session(work, cast.agents[name]))
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        await client.aclose()
