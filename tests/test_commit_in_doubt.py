"""A commit that is not answered: what it did is told, if it did it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

import pytest

from app import clock
from app.chat import lines
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.errors import Unavailable
from app.ids import uuid7
from app.infra.background import Background
from app.infra.database import Database
from app.infra.keys import Keys
from app.infra.redis import connect
from app.infra.work import WorkUnits
from app.reactions import Reactions
from app.routing.queue import Queue
from app.settings import Settings
from tests.chaos.proxy import FaultProxy
from tests.people import a_site, a_team
from tests.real_servers import short_directory


@dataclass
class Told:
    """What left the process, instead of going to sockets."""

    events: list[tuple[UUID, int, int]] = field(default_factory=list)

    def event(self, conversation_id: UUID, lane: int, seq: int, frame: bytes) -> None:
        self.events.append((conversation_id, lane, seq))

    def tell(self, topic: str, payload: bytes) -> None:
        pass


@dataclass
class Desk:
    """One process's way to Postgres through a proxy, and what it tells."""

    proxy: FaultProxy
    work: WorkUnits
    background: Background
    told: Told
    conversation: UUID
    troubles: list[int]


@pytest.fixture
async def desk(settings: Settings, database: Database) -> AsyncIterator[Desk]:
    told, background, redis, troubles = Told(), Background(), connect(settings.redis_url), []
    reactions = Reactions(background)
    async with WorkUnits(database, reactions).begin() as unit:
        team = await a_team(unit)
        site = await a_site(unit, team)
        visitor = Visitor(id=uuid7(), site_id=site.id)
        unit.session.add(visitor)
        await unit.session.flush()
        chat = Conversation(id=uuid7(), site_id=site.id, team_id=team.id, visitor_id=visitor.id, state="closed")
        unit.session.add(chat)
    with short_directory() as directory:
        behind = Path(parse_qs(urlsplit(database.url).query)["host"][0]) / ".s.PGSQL.5432"
        proxy = FaultProxy(behind, directory / ".s.PGSQL.5432")
        await proxy.start()
        proxied = Database(f"{database.url.partition('?host=')[0]}?host={quote(str(directory), safe='/')}")

        def trouble(facts: object) -> None:
            troubles.append(len(facts))  # type: ignore[arg-type]
            background(reactions.in_doubt(facts))  # type: ignore[arg-type]

        work = WorkUnits(proxied, reactions, patience_s=1.5, trouble=trouble)
        reactions.connect(told, Queue(redis, Keys(settings.redis_prefix), work), work)
        yield Desk(proxy, work, background, told, chat.id, troubles)
        await background.finish(patience_s=0)
        await proxied.close()
        await proxy.stop()
        await redis.aclose()


async def queue(desk: Desk, before_commit: Callable[[], None] = lambda: None) -> None:
    async with desk.work.begin() as unit:
        chat = await unit.session.get_one(Conversation, desk.conversation, with_for_update={"key_share": True})
        lines.append(unit, chat, lines.PUBLIC, "queued", {"episode": 1}, clock.now())
        await unit.session.flush()
        before_commit()


async def test_what_was_committed_without_an_answer_is_told(desk: Desk) -> None:
    with pytest.raises(Unavailable):
        await queue(desk, desk.proxy.drop_replies)
    assert desk.troubles == [1]
    assert desk.told.events == []
    await desk.background.finish(patience_s=25)
    assert desk.told.events == [(desk.conversation, lines.PUBLIC, 1)]


async def test_what_was_not_committed_is_told_to_nobody(desk: Desk) -> None:
    with pytest.raises(Unavailable):
        # The COMMIT does not arrive.
        await queue(desk, desk.proxy.reset)
    assert desk.troubles == [1]
    await queue(desk)
    assert desk.told.events == [(desk.conversation, lines.PUBLIC, 1)], "another line has that number"
    await desk.background.finish(patience_s=25)
    assert desk.told.events == [(desk.conversation, lines.PUBLIC, 1)]
