"""What time does to those who wait, against real Postgres."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app import clock
from app.chat.conversations import of_visitor, start
from app.chat.events import ConversationQueued
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.identity.permissions import Role
from app.ids import uuid7
from app.infra.work import Work
from app.routing import clockwork
from app.routing.entry import Entry
from tests.people import a_site, a_team, an_agent


async def test_many_who_were_kept_or_declined_are_given_to_everybody_at_once(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    before, after = now - timedelta(seconds=1), now + timedelta(seconds=9)
    team = await a_team(work)
    site = await a_site(work, team)
    ana = await an_agent(work, "Ana", Role.AGENT, team)
    ben = await an_agent(work, "Ben", Role.AGENT, team)
    await work.session.execute(text("INSERT INTO gateway (id) VALUES (:id)"), {"id": site.id})
    await work.session.execute(
        text("INSERT INTO presence (subject, gateway_id, kind) VALUES (:agent, :id, 'agent')"),
        {"agent": ana.id, "id": site.id},
    )
    kinds: dict[str, dict[str, Any]] = {
        "kept": {"reserved_for": ana.id, "reserved_until": after},
        "kept too long": {"reserved_for": ana.id, "reserved_until": before},
        "kept for nobody": {"reserved_for": ben.id, "reserved_until": after},
        "declined": {"declined": [ana.id], "declined_until": after},
        "declined long ago": {"declined": [ana.id], "declined_until": before},
        "free": {},
    }
    waiting: dict[str, Conversation] = {}
    for name, details in kinds.items():
        for number in range(2):
            visitor = Visitor(id=uuid7(), site_id=site.id)
            work.session.add(visitor)
            await work.session.flush()
            conversation = await of_visitor(work.session, visitor, site)
            await start(work, visitor, conversation, Entry(team.id, (), 0), now)
            for key, value in details.items():
                setattr(conversation, key, value)
            waiting[f"{name} {number}"] = conversation
    await work.session.flush()
    work.facts.clear()

    monkeypatch.setattr(work.session, "execute", counted := Counted(work.session.execute))
    assert await clockwork.give_to_everybody(work, now)
    assert counted.times == 1
    released = {name for name in waiting if name.startswith(("kept too", "kept for", "declined long"))}
    told = {fact.conversation_id for fact in work.facts if isinstance(fact, ConversationQueued)}
    assert told == {waiting[name].id for name in released}
    assert not await clockwork.give_to_everybody(work, now)
    await work.session.scalars(select(Conversation).execution_options(populate_existing=True))
    for name, conversation in waiting.items():
        expected = {} if name in released else kinds[name[:-2]]
        assert conversation.reserved_for == expected.get("reserved_for"), name
        assert conversation.declined == expected.get("declined", []), name


class Counted:
    """A function, and how often it was called."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.times = 0

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.times += 1
        return await self._inner(*args, **kwargs)
