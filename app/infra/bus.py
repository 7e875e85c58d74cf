"""The bus between processes: Redis pub/sub as a hint. What it loses, sequence numbers and the tail check find.

Topics map to channels. Publishing never waits: what gathers while Redis takes one batch is the next batch.
Subscriptions are wishes: a task keeps Redis's idea of them equal to ours, across reconnects; a silent subscription is
taken for dead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis
import structlog
from redis.exceptions import RedisError

from app.infra.keys import Keys
from app.infra.redis_link import RedisLink, open_link, pack
from app.infra.redis_places import Places

log = structlog.get_logger()

WATCHDOG_S = 5.0
REPLY_WITHIN_S = 2.0
_PUBLISH = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
HELLO = "hello"
"""A topic that nobody speaks on: there is always one subscription to watch."""
MAX_PENDING = 50_000
"""Payloads kept while Redis is away; older ones are dropped, the tail check makes up for them."""


class Bus:
    """One process's end of the bus.

    Args:
        where: the address of Redis, or the places that it names.
        keys: names the channels.
        origin: a short name of this process; what it published itself is not delivered to it again.
        receive: called with (topic, payload) for what other processes publish.
        recovered: called whenever payloads may have been missed, once new ones are heard again.
    """

    def __init__(
        self,
        where: str | Places,
        keys: Keys,
        origin: str,
        receive: Callable[[str, bytes], None],
        recovered: Callable[[], None],
    ) -> None:
        self._places = Places.named(where)
        self._prefix = keys.channel("").encode()
        self._origin = origin.encode() + b"|"
        self._receive = receive
        self._recovered = recovered
        self._linked = False
        self._link: RedisLink | None = None
        self._pending: list[bytes] = []
        self._sent: list[bytes] = []
        self._stirred_at = 0.0
        self._answers = 0
        self._flush_is_due = False
        self._subscription: RedisLink | None = None
        self._parser = hiredis.Reader()
        self._heard_at = 0.0
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._subscribed: set[str] = set()
        self._confirmed: dict[str, list[asyncio.Future[None]]] = {}
        self._wishes: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the tasks."""
        self._tasks = [
            asyncio.create_task(_again_and_again(self._publish_over_one), name="bus.publish"),
            asyncio.create_task(_again_and_again(self._listen_over_one), name="bus.listen"),
        ]

    async def stop(self) -> None:
        """Send what is pending, then end."""
        for _ in range(50):
            if not self._pending and not self._sent:
                break
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to the other processes, soon. Never waits, never fails."""
        if len(self._pending) >= MAX_PENDING:
            del self._pending[: MAX_PENDING // 2]
        channel, said = self._channel(topic), self._origin + payload
        self._pending.append(_PUBLISH % (len(channel), channel, len(said), said))
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def subscribe(self, topic: str, patience_s: float = 1.0) -> None:
        """Wish for a topic; return when Redis has confirmed it, or after `patience_s` (the tail check then covers)."""
        self._wanted.add(topic)
        if not self._linked or (topic in self._subscribed and topic in self._asked):
            # Not linked: everything is asked for again when Redis is back, and the tail check runs then.
            self._wish(topic)
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmed.setdefault(topic, []).append(confirmed)
        self._wish(topic)
        await asyncio.wait([confirmed], timeout=patience_s)
        if not confirmed.done():
            confirmed.cancel()

    def unsubscribe(self, topic: str) -> None:
        """Wish for a topic no more."""
        self._wanted.discard(topic)
        self._wish(topic)

    # Publishing

    async def _publish_over_one(self) -> None:
        """Publish over one connection until it fails; what it left unanswered goes over the next."""
        self._link = await open_link(self._places, self._answered)
        try:
            self._flush()
            while True:
                await self._link.lost(within_s=REPLY_WITHIN_S / 2)
                if self._sent and self._stirred_at < time.monotonic() - REPLY_WITHIN_S:
                    raise TimeoutError("Redis does not answer")
        finally:
            link, self._link = self._link, None
            self._pending[:0] = self._sent
            self._sent = []
            await link.close()

    def _flush(self) -> None:
        """Send what is pending, unless a batch is on its way: then it goes when that was answered."""
        self._flush_is_due = False
        if self._link is not None and self._pending and not self._sent:
            self._sent, self._pending = self._pending, []
            self._stirred_at = time.monotonic()
            self._answers = 0
            self._link.write(b"".join(self._sent))

    def _answered(self, lines: bytes) -> None:
        """Each answer is one line: how many heard it, which nobody needs to know, or a refusal."""
        if b"-" in lines:
            log.warning("bus.refused", answer=lines[lines.index(b"-") :].partition(b"\r")[0])
        self._stirred_at = time.monotonic()
        self._answers += lines.count(b"\n")
        if self._answers >= len(self._sent):
            self._sent = []
            self._flush()

    # Listening

    async def _listen_over_one(self) -> None:
        """Hear what the others publish over one connection until it fails or falls silent."""
        self._parser = hiredis.Reader()
        self._subscription = await open_link(self._places, self._heard)
        try:
            self._asked = set(self._wanted)
            # Redis answers in order: when it confirms the last, it has confirmed all.
            self._subscription.write(pack(b"SUBSCRIBE", *map(self._channel, [*self._asked, HELLO])))
            asked_at = time.monotonic()
            while True:
                await self._subscription.lost(within_s=WATCHDOG_S)
                if self._heard_at < asked_at:
                    raise TimeoutError("the subscription is silent")
                asked_at = time.monotonic()
                self._subscription.write(pack(b"PING"))
        finally:
            link, self._subscription = self._subscription, None
            self._linked = False
            self._subscribed.clear()
            self._confirmed.clear()
            await link.close()

    def _wish(self, topic: str) -> None:
        """Tell Redis soon whether a topic is wanted."""
        if not self._wishes:
            asyncio.get_running_loop().call_soon(self._tell_wishes)
        self._wishes.add(topic)

    def _tell_wishes(self) -> None:
        wishes, self._wishes = self._wishes, set()
        if self._subscription is None:
            return
        more, less = (wishes & self._wanted) - self._asked, (wishes & self._asked) - self._wanted
        if more:
            self._subscription.write(pack(b"SUBSCRIBE", *map(self._channel, more)))
            self._asked |= more
        if less:
            self._subscription.write(pack(b"UNSUBSCRIBE", *map(self._channel, less)))
            self._asked -= less

    def _heard(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        try:
            self._parser.feed(data)
            while (message := self._parser.gets()) is not False:
                self._handle(message)
        except (RedisError, hiredis.HiredisError) as error:
            if self._subscription is not None:
                self._subscription.give_up(repr(error))

    def _handle(self, message: list[Any] | Exception) -> None:
        """Take one message of the subscription.

        Raises:
            RedisError: it is a refusal.
        """
        if isinstance(message, Exception):
            raise RedisError(str(message))
        kind: bytes = message[0]
        if kind == b"message":
            data: bytes = message[2]
            if not data.startswith(self._origin):
                self._hear(self._topic(message[1]), data[data.index(b"|") + 1 :])
        elif kind == b"subscribe":
            topic = self._topic(message[1])
            self._subscribed.add(topic)
            for waiter in self._confirmed.pop(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)
            if topic == HELLO:
                self._linked = True
                self._recovered()
        elif kind == b"unsubscribe":
            topic = self._topic(message[1])
            if topic not in self._asked:
                self._subscribed.discard(topic)

    def _hear(self, topic: str, payload: bytes) -> None:
        """Pass on what another process said. One that runs another version may say what we do not understand."""
        try:
            self._receive(topic, payload)
        except Exception:
            log.exception("bus.misheard", topic=topic)

    def _channel(self, topic: str) -> bytes:
        return self._prefix + topic.encode()

    def _topic(self, channel: bytes) -> str:
        return channel[len(self._prefix) :].decode()


async def _again_and_again(use_one: Callable[[], Awaitable[None]]) -> None:
    """Use one connection after another, for ever."""
    wait = 0.1
    while True:
        began = time.monotonic()
        try:
            await use_one()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("bus.lost", task=use_one.__name__, error=repr(error))
        except Exception:
            # Whatever it was, a process that hears nothing any more would be worse.
            log.exception("bus.failed", task=use_one.__name__)
        wait = 0.1 if time.monotonic() - began > 10 else min(wait * 2, 2.0)
        await asyncio.sleep(wait)
