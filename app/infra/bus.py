"""The bus between processes: Redis pub/sub as a hint. What it loses, sequence numbers and the tail check find.

Topics map to channels. Publishing never waits: what gathers while Redis takes one batch is the next batch.
Subscriptions are wishes: a task keeps Redis's idea of them equal to ours, across reconnects; a silent subscription is
taken for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import hiredis
import structlog
from redis.exceptions import RedisError

from app.infra.keys import Keys
from app.infra.redis_link import RedisLink, open_link, pack

log = structlog.get_logger()

WATCHDOG_S = 5.0
REPLY_WITHIN_S = 2.0
HELLO = "hello"
"""A topic that nobody speaks on: there is always one subscription to watch."""
MAX_BATCH = 1000
MAX_PENDING = 50_000
"""Payloads kept while Redis is away; older ones are dropped, the tail check makes up for them."""


class Bus:
    """One process's end of the bus.

    Args:
        url: of Redis.
        keys: names the channels.
        origin: a short name of this process; what it published itself is not delivered to it again.
        receive: called with (topic, payload) for what other processes publish.
        recovered: called whenever payloads may have been missed, once new ones are heard again.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        origin: str,
        receive: Callable[[str, bytes], None],
        recovered: Callable[[], None],
    ) -> None:
        self._url = url
        self._prefix = keys.channel("").encode()
        self._origin = origin.encode() + b"|"
        self._receive = receive
        self._recovered = recovered
        self._linked = False
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._subscribed: set[str] = set()
        self._confirmed: dict[str, list[asyncio.Future[None]]] = {}
        self._pending: list[bytes] = []
        self._has_pending = asyncio.Event()
        self._wishes_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the tasks."""
        self._tasks = [
            asyncio.create_task(self._with_link(self._publish_over), name="bus.publish"),
            asyncio.create_task(self._with_link(self._listen_over), name="bus.listen"),
        ]

    async def stop(self) -> None:
        """Send what is pending, then end."""
        for _ in range(50):
            if not self._pending:
                break
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to the other processes, soon. Never waits, never fails."""
        if len(self._pending) >= MAX_PENDING:
            del self._pending[: MAX_PENDING // 2]
        self._pending.append(pack(b"PUBLISH", self._channel(topic), self._origin + payload))
        self._has_pending.set()

    async def subscribe(self, topic: str, patience_s: float = 1.0) -> None:
        """Wish for a topic; return when Redis has confirmed it, or after `patience_s` (the tail check then covers)."""
        self._wanted.add(topic)
        if not self._linked or (topic in self._subscribed and topic in self._asked):
            # Not linked: everything is asked for again when Redis is back, and the tail check runs then.
            self._wishes_changed.set()
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmed.setdefault(topic, []).append(confirmed)
        self._wishes_changed.set()
        await asyncio.wait([confirmed], timeout=patience_s)
        if not confirmed.done():
            confirmed.cancel()

    def unsubscribe(self, topic: str) -> None:
        """Wish for a topic no more."""
        self._wanted.discard(topic)
        self._wishes_changed.set()

    async def _with_link(self, use: Callable[[RedisLink], Awaitable[None]]) -> None:
        """Use one connection after another, for ever."""
        wait = 0.1
        while True:
            try:
                link = await open_link(self._url)
                try:
                    wait = 0.1
                    await use(link)
                finally:
                    await link.close()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("bus.lost", task=use.__name__, error=repr(error))
            except Exception:
                # Whatever it was, a process that hears nothing any more would be worse.
                log.exception("bus.failed", task=use.__name__)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    async def _publish_over(self, link: RedisLink) -> None:
        """Send batch after batch until the connection fails; a batch that was not answered is sent again."""
        while True:
            await self._has_pending.wait()
            batch = self._pending[:MAX_BATCH]
            del self._pending[:MAX_BATCH]
            if not self._pending:
                self._has_pending.clear()
            try:
                link.write(b"".join(batch))
                async with asyncio.timeout(REPLY_WITHIN_S):
                    answers = 0
                    while answers < len(batch):
                        # Each is one line: how many heard it, which nobody needs to know, or a refusal.
                        lines = await link.read()
                        answers += lines.count(b"\n")
                        if b"-" in lines:
                            log.warning("bus.refused", answer=lines[lines.index(b"-") :].split(b"\r")[0])
            except BaseException:
                self._pending[:0] = batch
                self._has_pending.set()
                raise

    async def _listen_over(self, link: RedisLink) -> None:
        """Hear what the others publish until the connection fails or falls silent."""
        self._subscribed.clear()
        self._asked = set(self._wanted)
        # Redis answers in order: when it confirms the last, it has confirmed all.
        link.write(self._subscription(b"SUBSCRIBE", [*self._asked, HELLO]))
        keeper = asyncio.create_task(self._keep_wishes(link))
        parser = hiredis.Reader()
        silent = False
        try:
            while True:
                try:
                    async with asyncio.timeout(WATCHDOG_S):
                        parser.feed(await link.read())
                except TimeoutError:
                    if silent:
                        raise
                    silent = True
                    link.write(pack(b"PING"))
                    continue
                silent = False
                while (message := parser.gets()) is not False:
                    self._handle(message)
        finally:
            self._linked = False
            self._subscribed.clear()
            self._confirmed.clear()
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_wishes(self, link: RedisLink) -> None:
        while True:
            await self._wishes_changed.wait()
            self._wishes_changed.clear()
            more, less = self._wanted - self._asked, self._asked - self._wanted
            if more:
                link.write(self._subscription(b"SUBSCRIBE", more))
                self._asked |= more
            if less:
                link.write(self._subscription(b"UNSUBSCRIBE", less))
                self._asked -= less
                self._subscribed -= less

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

    def _subscription(self, word: bytes, topics: Iterable[str]) -> bytes:
        return pack(word, *(self._channel(topic) for topic in topics))
