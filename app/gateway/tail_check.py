"""Finds what the bus lost: a question each for all lanes, visitors' states, agents' lists, teams and sessions here."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import structlog

from app.chat.heads import heads_changed_within
from app.chat.messages import lane_heads, states_of
from app.chat.wire import encode
from app.errors import Unavailable
from app.gateway.following import Following
from app.gateway.hub import Hub
from app.gateway.people import Guest, Host
from app.identity.sessions import keep_alive
from app.identity.teams import team_ids_of
from app.infra.keys import agent_topic, lane_topic, team_topic, visitor_topic
from app.infra.work import WorkUnits
from app.protocol.codes import Close
from app.protocol.frames import HeadChanged

log = structlog.get_logger()

EVERY_S = 10.0
REST_S = 1.0
"""Least time between two checks, however often somebody calls for one."""
OVERLAP_S = 5.0
"""Changes commit a little later than they are dated."""
AT_ONCE = 100
"""Heads told in a row; about 60 KiB."""
BREATH_S = 0.05


class TailCheck:
    """Asks Postgres whose head moved: every EVERY_S, and when the bus or Postgres may have lost what should be told."""

    def __init__(self, hub: Hub, following: Following, work: WorkUnits) -> None:
        self._hub = hub
        self._following = following
        self._work = work
        self._now = asyncio.Event()
        self._checked_at = time.monotonic()

    def soon(self) -> None:
        """Check at once."""
        self._now.set()

    async def run_forever(self) -> None:
        """Check again and again."""
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._now.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(self._checked_at + REST_S - time.monotonic())
            self._now.clear()
            try:
                await self._check()
            except Unavailable as error:
                log.warning("tail_check.postponed", error=error.message)
                await asyncio.sleep(0.5)
                self._now.set()
            except Exception:
                log.exception("tail_check.failed")

    async def _check(self) -> None:
        since_s = time.monotonic() - self._checked_at + OVERLAP_S
        started = time.monotonic()
        lanes = self._hub.lanes()
        topics = list(self._hub.topics())
        teams = [UUID(topic[2:]) for topic in topics if topic.startswith("t:")]
        hosts = [(c, c.who) for c in self._hub.connections if isinstance(c.who, Host)]
        waiting = [c.who for c in self._hub.connections if isinstance(c.who, Guest) and c.who.state != "closed"]
        async with self._work.begin() as work:
            states = await states_of(
                work.session, [guest.conversation_id for guest in waiting if guest.conversation_id]
            )
            memberships = await team_ids_of(work.session, [host.id for _, host in hosts])
            live = await keep_alive(work.session, [host.session_id for _, host in hosts])
            ends = await lane_heads(work.session, list({c for c, _ in lanes.values()}))
            heads = await heads_changed_within(work.session, teams, since_s) if teams else []
        for connection, host in hosts:
            if host.session_id not in live:
                connection.close(Close.SIGNED_OUT)
            elif memberships.get(host.id, set()) != host.team_ids:
                self._hub.receive(agent_topic(host.id), b"!me")
        for conversation_id, (visitor_id, gen, state, lane) in states.items():
            signal = f"!conversation {conversation_id} {gen} {state} {lane}".encode()
            self._hub.receive(visitor_topic(visitor_id), signal)
        for conversation_id, places in ends.items():
            for lane in (0, 1):
                topic = lane_topic(conversation_id, lane)
                for connection in self._hub.members(topic):
                    cursor = connection.cursors.get(topic)
                    if cursor is not None and places[lane] > cursor.head:
                        cursor.head = places[lane]
                    self._following.missed(connection, topic)
        for number, (team_id, head) in enumerate(heads, 1):
            self._hub.receive(team_topic(team_id), encode(HeadChanged(head=head)))
            if number % AT_ONCE == 0:
                # After a long outage there are many: all at once would overflow the outbox of every agent.
                await asyncio.sleep(BREATH_S)
        for topic in topics:
            if topic.startswith("q:"):
                self._hub.receive(topic, b"!moved")
        self._checked_at = started
