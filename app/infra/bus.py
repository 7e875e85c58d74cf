"""The bus between processes: Redis pub/sub as a hint. What it loses, sequence numbers and the tail check find.

Topics map to channels. Publishing never waits: payloads are joined and sent once a tick. Subscriptions are wishes: a
task keeps Redis's idea of them equal to ours, across reconnects; a silent subscription is taken for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from app.infra.keys import Keys
from app.infra.redis import Redis, connect

log = structlog.get_logger()

WATCHDOG_S = 5.0
MAX_PENDING = 50_000
"""Payloads kept while Redis is away; older ones are dropped, the tail check makes up for them."""


class Bus:
    """One process's end of the bus.

    Args:
        url: of Redis.
        keys: names the channels.
        origin: a short name of this process; what it published itself is not delivered to it again.
        receive: called with (topic, payload) for what other processes publish.
        recovered: called whenever payloads may have been missed.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        origin: str,
        receive: Callable[[str, bytes], None],
        recovered: Callable[[], None],
    ) -> None:
        self._keys = keys
        self._origin = origin.encode()
        self._receive = receive
        self._recovered = recovered
        self._publisher: Redis = connect(url, connections=1)
        self._subscriber: Redis = connect(url, connections=2)
        self._wanted: set[str] = set()
        self._subscribed: set[str] = set()
        self._confirmed: dict[str, list[asyncio.Future[None]]] = {}
        self._pending: list[tuple[str, bytes]] = []
        self._has_pending = asyncio.Event()
        self._wishes_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._prefix = keys.channel("").encode()

    def start(self) -> None:
        """Start the tasks."""
        self._tasks = [
            asyncio.create_task(self._publish_forever(), name="bus.publish"),
            asyncio.create_task(self._listen_forever(), name="bus.listen"),
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
        await self._publisher.aclose()
        await self._subscriber.aclose()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to the other processes, soon. Never waits, never fails."""
        if len(self._pending) >= MAX_PENDING:
            del self._pending[: MAX_PENDING // 2]
        self._pending.append((topic, payload))
        self._has_pending.set()

    async def subscribe(self, topic: str, patience_s: float = 1.0) -> None:
        """Wish for a topic; return when Redis has confirmed it, or after `patience_s` (the tail check then covers)."""
        self._wanted.add(topic)
        if topic in self._subscribed:
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmed.setdefault(topic, []).append(confirmed)
        self._wishes_changed.set()
        await asyncio.wait([confirmed], timeout=patience_s)

    def unsubscribe(self, topic: str) -> None:
        """Wish for a topic no more."""
        self._wanted.discard(topic)
        self._wishes_changed.set()

    async def _publish_forever(self) -> None:
        while True:
            await self._has_pending.wait()
            self._has_pending.clear()
            batch, self._pending = self._pending, []
            pipeline = self._publisher.pipeline(transaction=False)
            for topic, payload in batch:
                pipeline.publish(self._keys.channel(topic), self._origin + b"|" + payload)
            try:
                await pipeline.execute(raise_on_error=False)
            except (RedisError, OSError) as error:
                log.warning("bus.publish_failed", error=repr(error), lost=len(batch))
                await asyncio.sleep(0.2)

    async def _listen_forever(self) -> None:
        wait = 0.1
        while True:
            pubsub = self._subscriber.pubsub()
            try:
                await pubsub.subscribe(self._keys.channel("hello"))
                self._wishes_changed.set()
                self._recovered()
                wait = 0.1
                await self._serve(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("bus.lost", error=repr(error))
            finally:
                self._subscribed.clear()
                await _discard(pubsub)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    async def _serve(self, pubsub: PubSub) -> None:
        """Read the subscription until it fails or falls silent."""
        keeper = asyncio.create_task(self._keep_wishes(pubsub))
        try:
            silent = 0
            while True:
                message = await pubsub.get_message(  # pyright: ignore[reportUnknownVariableType]
                    ignore_subscribe_messages=False, timeout=WATCHDOG_S
                )
                if keeper.done():
                    await keeper
                if message is None:
                    silent += 1
                    if silent > 1:
                        raise TimeoutError("the subscription is silent")
                    await pubsub.ping()
                    continue
                silent = 0
                self._handle(cast(dict[str, Any], message))
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_wishes(self, pubsub: PubSub) -> None:
        asked: set[str] = set()
        while True:
            await self._wishes_changed.wait()
            self._wishes_changed.clear()
            more, less = self._wanted - asked, asked - self._wanted
            if more:
                await pubsub.subscribe(*(self._keys.channel(topic) for topic in more))
                asked |= more
            if less:
                await pubsub.unsubscribe(*(self._keys.channel(topic) for topic in less))
                asked -= less
                self._subscribed -= less

    def _handle(self, message: dict[str, Any]) -> None:
        channel: bytes = message.get("channel") or b""
        topic = channel[len(self._prefix) :].decode()
        kind = message["type"]
        if kind == "message":
            origin, _, payload = message["data"].partition(b"|")
            if origin != self._origin:
                self._receive(topic, payload)
        elif kind == "subscribe":
            self._subscribed.add(topic)
            for waiter in self._confirmed.pop(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)


async def _discard(pubsub: PubSub) -> None:
    """Close a subscription's connection whatever state it is in."""
    try:
        await pubsub.aclose()
    except (RedisError, OSError):
        log.debug("bus.close_failed")
