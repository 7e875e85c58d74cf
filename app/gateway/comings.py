"""Tells agents that their visitor came or went: for all who did in the same moment with one question to Postgres."""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy import text

from app.chat.wire import encode
from app.gateway.hub import Hub
from app.gateway.previews import Previews
from app.infra.background import Background
from app.infra.database import any_of
from app.infra.keys import lane_topic
from app.infra.work import WorkUnits
from app.protocol.frames import Eph, From

GATHER_S = 0.05
"""When a process dies, thousands come to the others at once."""
_CONVERSATIONS = text(f"SELECT id, visitor_id FROM conversation WHERE visitor_id {any_of('visitors')}")


class Comings:
    """Of this process's visitors."""

    def __init__(self, hub: Hub, work: WorkUnits, background: Background, previews: Previews) -> None:
        self._hub = hub
        self._work = work
        self._background = background
        self._previews = previews
        self._news: dict[UUID, bool] = {}

    def tell(self, visitor_id: UUID, *, online: bool) -> None:
        """A visitor came or went; told soon, and only the last word."""
        if not self._news:
            self._background(self._tell())
        self._news[visitor_id] = online

    async def _tell(self) -> None:
        await asyncio.sleep(GATHER_S)
        news, self._news = self._news, {}
        async with self._work.reading() as session:
            rows = (await session.execute(_CONVERSATIONS, {"visitors": list(news)})).all()
        for conversation_id, visitor_id in rows:
            frame = Eph(
                c=conversation_id,
                kind="presence",
                from_=From("visitor", visitor_id),
                data={"online": news[visitor_id]},
            )
            self._hub.tell(lane_topic(conversation_id, 1), encode(frame))
            self._previews.touch(conversation_id)
