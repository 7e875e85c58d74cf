"""Following a lane: subscribe first, then read what was missed, then live. Exact over any gap."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from app.chat.catching_up import CatchingUp
from app.chat.lines import LANES
from app.chat.wire import encode
from app.errors import Unavailable
from app.gateway.connection import Connection
from app.gateway.hub import Hub
from app.infra.keys import lane_topic
from app.infra.work import WorkUnits
from app.protocol.codes import MAX_REPLAY
from app.protocol.frames import Gap, Position
from app.protocol.sequence import Cursor

log = structlog.get_logger()

LATE_S = 0.25
"""How long an event may come after its successor. Two people who write through two processes overtake each other all
the time: what one's process delivers at once, the other's sends through the bus."""


class Following:
    """Keeps connections' lanes complete.

    Args:
        hub: where live events come from.
        work: units of work, for reading.
    """

    def __init__(self, hub: Hub, work: WorkUnits) -> None:
        self._hub = hub
        self._pages = CatchingUp(work)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, connection: Connection, conversation_id: UUID, lane: int) -> None:
        """Subscribe a connection to a lane. Live events are held back until `go_live`."""
        topic = lane_topic(conversation_id, lane)
        earlier = connection.cursors.get(topic)
        if earlier is not None and earlier.have:
            connection.left[topic] = earlier.have
        cursor = Cursor(0)
        cursor.fetching = True
        connection.cursors[topic] = cursor
        await self._hub.join(connection, topic)

    def go_live(self, connection: Connection, conversation_id: UUID, lane: int, have: int, head: int) -> None:
        """Send what lies between `have` and `head`, then let live events through.

        Args:
            have: what the client has applied. One from the future counts as the lane's end.
            head: the lane's end, read after `begin` returned.
        """
        topic = lane_topic(conversation_id, lane)
        cursor = connection.cursors.get(topic)
        if cursor is None:
            return
        cursor.head = max(cursor.head, head)
        cursor.have = min(have, cursor.head)
        if cursor.head - cursor.have > MAX_REPLAY:
            connection.push(encode(Gap(c=conversation_id, lane=LANES[lane], have=cursor.have, head=cursor.head)))
            cursor.have = cursor.head
        cursor.fetching = False
        self.check(connection, topic)
        self._leave_if_stopping(connection, topic, cursor)

    def left(self, connection: Connection, conversation_id: UUID) -> Position:
        """Return, once, where a connection stood when it followed a conversation before, to go on from there."""
        public, internal = (connection.left.pop(lane_topic(conversation_id, lane), None) for lane in (0, 1))
        return Position() if public is None or internal is None else Position(public, internal)

    def abandon(self, connection: Connection, conversation_id: UUID) -> None:
        """Forget a conversation whose lanes never went live."""
        for lane in (0, 1):
            self._hub.leave(connection, lane_topic(conversation_id, lane))

    def missed(self, connection: Connection, topic: str) -> None:
        """Something seems to be missing: fetch it if it is not only late."""
        cursor = connection.cursors.get(topic)
        if cursor is None or cursor.fetching or cursor.waiting or not cursor.behind:
            return
        cursor.waiting = True
        asyncio.get_running_loop().call_later(LATE_S, self._lost, connection, topic, cursor)

    def _lost(self, connection: Connection, topic: str, cursor: Cursor) -> None:
        cursor.waiting = False
        if connection.open and connection.cursors.get(topic) is cursor:
            self.check(connection, topic)

    def check(self, connection: Connection, topic: str) -> None:
        """Fetch what a connection is missing in a lane, if anything."""
        cursor = connection.cursors.get(topic)
        if cursor is None or cursor.fetching or not cursor.behind:
            return
        cursor.fetching = True
        task = asyncio.create_task(self._fetch(connection, topic, cursor))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, connection: Connection, conversation_id: UUID) -> None:
        """Follow a conversation no more, after what is known to be missing was sent."""
        for lane in (0, 1):
            topic = lane_topic(conversation_id, lane)
            cursor = connection.cursors.get(topic)
            if cursor is None:
                continue
            cursor.stopping = True
            self.check(connection, topic)
            self._leave_if_stopping(connection, topic, cursor)

    def _leave_if_stopping(self, connection: Connection, topic: str, cursor: Cursor) -> None:
        if cursor.stopping and not cursor.fetching and connection.cursors.get(topic) is cursor:
            connection.left[topic] = cursor.have
            self._hub.leave(connection, topic)

    async def _fetch(self, connection: Connection, topic: str, cursor: Cursor) -> None:
        _, conversation, lane = topic.split(":")
        conversation_id, goal, wait = UUID(conversation), cursor.head, 0.1
        try:
            while cursor.have < goal and connection.open and connection.cursors.get(topic) is cursor:
                await connection.drained()
                try:
                    page = await self._pages.page_after(conversation_id, int(lane), cursor.have)
                except Unavailable as error:
                    log.warning("following.postponed", error=error.message)
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 2.0)
                    continue
                if not page.events:
                    cursor.head = goal = cursor.have
                for s, frame in page.events:
                    if cursor.fetched(s):
                        connection.push(frame)
        finally:
            cursor.fetching = False
        # What came live meanwhile was held; what is still missing before it may only be late.
        self._release(connection, cursor)
        if cursor.stopping:
            self.check(connection, topic)
            self._leave_if_stopping(connection, topic, cursor)
        else:
            self.missed(connection, topic)

    @staticmethod
    def _release(connection: Connection, cursor: Cursor) -> None:
        for frame in cursor.release():
            connection.push(frame)
