"""This process's sockets by topic: local delivery, and the bus for everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from app.gateway.connection import Connection
from app.infra.bus import Bus
from app.infra.keys import lane_topic


class Hub:
    """Delivers events and payloads to local connections, and publishes them to the other processes.

    A payload on the bus is `<s>\\n<frame>` for a numbered event, a frame (`{…`) for an unnumbered one, or a signal
    (`!word …`) that gateways act on.

    Args:
        missed: called with a connection and a topic when an event came whose predecessor is missing.
        heard: called with a connection, a topic and a payload that is not a numbered event.
        moved: called once with a team's id when its queue or staffing changed.
    """

    def __init__(
        self,
        missed: Callable[[Connection, str], None],
        heard: Callable[[Connection, str, bytes], None],
        moved: Callable[[UUID], None],
    ) -> None:
        self._missed = missed
        self._heard = heard
        self._moved = moved
        self._bus: Bus | None = None
        self._topics: dict[str, set[Connection]] = {}
        self.connections: set[Connection] = set()

    def use(self, bus: Bus) -> None:
        """Say which bus reaches the other processes."""
        self._bus = bus

    async def join(self, connection: Connection, topic: str) -> None:
        """Make a connection hear a topic; returns when events from elsewhere will be heard too."""
        if connection not in self.connections:
            return
        connection.topics.add(topic)
        self._topics.setdefault(topic, set()).add(connection)
        if self._bus is not None:
            await self._bus.subscribe(topic)

    def leave(self, connection: Connection, topic: str) -> None:
        """Make a connection hear a topic no more."""
        connection.topics.discard(topic)
        connection.cursors.pop(topic, None)
        members = self._topics.get(topic)
        if members is None:
            return
        members.discard(connection)
        if not members:
            del self._topics[topic]
            if self._bus is not None:
                self._bus.unsubscribe(topic)

    def drop(self, connection: Connection) -> None:
        """Forget a connection."""
        for topic in list(connection.topics):
            self.leave(connection, topic)
        self.connections.discard(connection)

    def members(self, topic: str) -> Iterable[Connection]:
        """Return the local connections that hear a topic."""
        return self._topics.get(topic, ())

    def topics(self) -> Iterable[str]:
        """Return the topics that somebody here hears."""
        return self._topics.keys()

    def lanes(self) -> dict[str, tuple[UUID, int]]:
        """Return the lanes that somebody here follows: topic → (conversation, lane)."""
        followed: dict[str, tuple[UUID, int]] = {}
        for topic in self._topics:
            if topic.startswith("c:"):
                _, conversation, lane = topic.split(":")
                followed[topic] = (UUID(conversation), int(lane))
        return followed

    def event(self, conversation_id: UUID, lane: int, seq: int, frame: bytes) -> None:
        """Deliver a numbered event everywhere."""
        topic = lane_topic(conversation_id, lane)
        self._deliver(topic, seq, frame)
        if self._bus is not None:
            self._bus.publish(topic, b"%d\n%b" % (seq, frame))

    def tell(self, topic: str, payload: bytes, but: Connection | None = None) -> None:
        """Deliver an unnumbered payload everywhere, except to one local connection."""
        self._spread(topic, payload, but)
        if self._bus is not None:
            self._bus.publish(topic, payload)

    def receive(self, topic: str, payload: bytes) -> None:
        """Deliver locally what another process published."""
        if payload[:1].isdigit():
            seq, _, frame = payload.partition(b"\n")
            self._deliver(topic, int(seq), frame)
        else:
            self._spread(topic, payload, None)

    def _deliver(self, topic: str, seq: int, frame: bytes) -> None:
        for connection in self._topics.get(topic, ()):
            if not connection.deliver(topic, seq, frame):
                self._missed(connection, topic)

    def _spread(self, topic: str, payload: bytes, but: Connection | None) -> None:
        if topic.startswith("q:"):
            if topic in self._topics:
                self._moved(UUID(topic[2:]))
            return
        for connection in list(self._topics.get(topic, ())):
            if connection is not but:
                self._heard(connection, topic, payload)
