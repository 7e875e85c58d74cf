"""Two server processes that share one database and one Redis, and the people who stand on them in a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.infra.database import Database
from app.infra.keys import Keys
from app.infra.redis import connect, keys_like
from app.infra.schema import upgrade
from app.settings import Settings
from tests.journeys.cast import AgentOnDuty, Shop, open_shop, visit
from tests.journeys.server_process import ServerProcess, free_port
from tests.journeys.wire_client import Frame, WireClient
from tests.real_servers import RealServers, create_database, drop_database

PRESENT = """
    SELECT EXISTS (SELECT 1 FROM presence p JOIN gateway g ON g.id = p.gateway_id
                   WHERE p.subject = :who AND g.seen_at > now() - interval '10 seconds')
"""


@dataclass
class Stage:
    """A pair of server processes. Whoever comes is sent home when the test ends."""

    one: ServerProcess
    two: ServerProcess
    database: Database
    settings: Settings
    people: list[WireClient] = field(default_factory=list)

    async def shop(self, **details: Any) -> Shop:
        """A site with a team of its own."""
        return await open_shop(self.database, **details)

    async def visitor(self, shop: Shop, at: ServerProcess | None = None, **hello: Any) -> WireClient:
        """Somebody new opens the chat."""
        client, client.token = await visit((at or self.one).url, shop, **hello)
        self.people.append(client)
        return client

    async def again(self, visitor: WireClient, shop: Shop, at: ServerProcess | None = None, **hello: Any) -> WireClient:
        """The same visitor in another tab, or after a break."""
        return await self.visitor(shop, at, token=visitor.token, **hello)

    async def resumed(self, earlier: WireClient, at: ServerProcess | None = None) -> WireClient:
        """A visitor comes back after a break, with all that they had."""
        client = WireClient((at or self.one).url)
        self.people.append(client)
        client.token = earlier.token
        client.events.update({lane: list(events) for lane, events in earlier.events.items()})
        # The other one may hear more while this one connects: what this one has is what it says.
        pos = client.pos()
        await client.open()
        await client.hello(client.token, pos=pos)
        return client

    async def agent(self, who: AgentOnDuty, at: ServerProcess | None = None, **hello: Any) -> WireClient:
        """An agent opens the console."""
        client = await who.come((at or self.two).url, **hello)
        self.people.append(client)
        # Their presence is announced a moment after the snapshot; until then nobody is there for visitors.
        await self.until_sql(PRESENT, who=UUID(who.id))
        return client

    async def chat(self, visitor: WireClient, agent: WireClient) -> tuple[str, int]:
        """The visitor asks, the agent gets them. Returns the conversation and its generation."""
        c: str = (await visitor.command({"t": "start"}))["c"]
        head = await agent.head(c, "active")
        await visitor.event("joined", c=c)
        return c, head["gen"]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement as the operator of the database; return its rows, if it has any."""
        # A test may have killed every connection, this pool's too: it notices when one is used, and drops them all.
        with suppress(DBAPIError):
            return await self._sql(statement, values)
        return await self._sql(statement, values)

    async def _sql(self, statement: str, values: dict[str, Any]) -> list[Any]:
        async with self.database.sessions() as session:
            result: Any = await session.execute(text(statement), values)
            rows = list(result) if result.returns_rows else []
            await session.commit()
        return rows

    async def until_sql(self, statement: str, within_s: float = 25, **values: Any) -> None:
        """Wait until a statement's one value is true."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not (await self.sql(statement, **values))[0][0]:
            assert asyncio.get_running_loop().time() < deadline, f"it never came to be: {statement}"
            await asyncio.sleep(0.05)

    async def gone(self, who: str, for_s: float) -> None:
        """Somebody whose last socket was just cut has been away for so long already."""
        await self.until_sql("SELECT count(*) = 0 FROM presence WHERE subject = :who", who=UUID(who))
        for table in ("agent", "visitor"):
            await self.sql(
                f"UPDATE {table} SET seen_at = now() - make_interval(secs => :s) WHERE id = :who",
                s=for_s,
                who=UUID(who),
            )

    async def forget_limits(self) -> None:
        """All visitors of a test come from one address: let the next one begin with a clean slate."""
        redis = connect(self.settings.redis_url, connections=1)
        found = await keys_like(redis, Keys(self.settings.redis_prefix).limit("") + "*")
        if found:
            await redis.delete(*found)
        await redis.aclose()

    async def send_home(self) -> None:
        """Close every socket."""
        people, self.people[:] = list(self.people), []
        await asyncio.gather(*(client.close() for client in people))


@asynccontextmanager
async def a_stage(servers: RealServers, directory: Path, **changes: Any) -> AsyncIterator[Stage]:
    """Start two server processes on a database of their own."""
    database_url = await create_database(servers.database_url)
    await upgrade(database_url)
    settings = Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        redis_prefix=f"test-{uuid4().hex[:12]}",
        data_dir=directory / "data",
        secret_key="a secret key that only the tests know",
        database_pool_size=10,
        **changes,
    )
    ports = [free_port(), free_port()]
    one, two = (ServerProcess(settings.replaced(port=p, public_url=""), directory / f"{p}.log") for p in ports)
    database = Database(database_url)
    try:
        await asyncio.gather(one.start(), two.start())
        yield Stage(one, two, database, settings)
    finally:
        await asyncio.gather(one.kill(), two.kill())
        await database.close()
        await drop_database(servers.database_url, database_url)


def without_id(frame: Frame) -> Frame:
    """Return a frame without the number of the command that it answers."""
    return {name: value for name, value in frame.items() if name != "id"}
