"""Keeps lists fresh while nobody follows a conversation: its words and marks, told a few times a second at most."""

from __future__ import annotations

import asyncio
from uuid import UUID

from app.chat.heads import heads_by_id
from app.chat.wire import encode
from app.gateway.hub import Hub
from app.infra.background import Background
from app.infra.keys import agent_topic, team_topic
from app.infra.work import WorkUnits
from app.protocol.frames import HeadChanged

SETTLE_S = 0.25


class Previews:
    """Tells who lists them the heads of conversations that were touched."""

    def __init__(self, hub: Hub, work: WorkUnits, background: Background) -> None:
        self._hub = hub
        self._work = work
        self._background = background
        self._touched: set[UUID] = set()

    def touch(self, conversation_id: UUID) -> None:
        """A conversation's head should be told, soon."""
        if not self._touched:
            self._background(self._tell())
        self._touched.add(conversation_id)

    async def _tell(self) -> None:
        await asyncio.sleep(SETTLE_S)
        touched, self._touched = list(self._touched), set()
        async with self._work.reading() as session:
            heads = await heads_by_id(session, touched)
        for head in heads:
            # An active conversation is on its agent's list alone. Telling the whole team of each visitor that comes
            # and goes drowned 250 agents when a thousand visitors came at once.
            owner = head["agent"]["id"] if head["state"] == "active" else None
            topic = agent_topic(owner) if owner else team_topic(head["team"]["id"])
            self._hub.tell(topic, encode(HeadChanged(head=head)))
