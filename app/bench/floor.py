"""The bare floor: the smallest honest program that does what a chat server must do for a message.

Socket → one Postgres transaction for all that came while the last one ran, numbers given by the database → `ok`, and
over Redis to the sockets of the other process. No sign-in, no rights, no idempotency, no limits, no slow readers, no
recovery of what Redis loses: what a server costs more than this is what its promises cost. It speaks just enough of
docs/protocol.md for the same load generator, under the same uvicorn settings.

`python -m app.bench.floor --ready-fd N` reads its addresses from the environment like `deskbell worker`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import hiredis
import msgspec
import uvicorn
from msgspec import Struct

from app.infra.database import asyncpg_url
from app.infra.redis_link import RedisLink, open_link, pack
from app.protocol.codes import SUBPROTOCOL
from app.settings import Settings, load_settings

SCHEMA = Path(__file__).with_name("floor.sql")
_POST = "SELECT s, moment FROM bench_floor.post($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])"
_CHANNEL = b"floor:"
_MAX_BATCH = 512

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Body(Struct, frozen=True):
    text: str


class _Frame(Struct):
    t: str
    id: int = 0
    token: str = ""
    c: UUID = UUID(int=0)
    m: UUID = UUID(int=0)
    body: _Body = _Body("")


class _Ok(Struct, tag_field="t", tag="ok"):
    id: int
    s: int = 0
    at: int = 0


class _Ev(Struct, tag_field="t", tag="ev"):
    c: UUID
    s: int
    m: UUID
    sender: UUID
    at: int
    data: _Body
    kind: str = "message"


_decode = msgspec.json.Decoder(_Frame).decode
_encode = msgspec.json.Encoder().encode


class _Socket:
    def __init__(self, send: Send) -> None:
        self.send = send
        self.sender = UUID(int=0)
        self.conversations: list[bytes] = []
        self.outbox: list[bytes] = []


class Floor:
    """One process: an ASGI application that serves sockets only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._origin = b"%d|" % os.getpid()
        self._queue: list[tuple[_Socket, _Frame]] = []
        self._wake = asyncio.Event()
        self._members: defaultdict[bytes, set[_Socket]] = defaultdict(set)
        self._dirty: list[_Socket] = []
        self._flushing: asyncio.Task[None] | None = None
        self._parser = hiredis.Reader()
        self._publisher: RedisLink
        self._subscriber: RedisLink
        self._journal: asyncio.Task[None]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._serve(receive, send)

    async def _live(self, receive: Any, send: Send) -> None:
        await receive()
        self._publisher = await open_link(self._settings.redis_url, lambda _: None)
        self._subscriber = await open_link(self._settings.redis_url, self._heard)
        self._journal = asyncio.create_task(
            self._write(await asyncpg.connect(asyncpg_url(self._settings.database_url)))
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._journal.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, receive: Any, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        socket = _Socket(send)
        while (message := await receive())["type"] == "websocket.receive":
            for line in message["text"].split("\n"):
                frame = _decode(line)
                if frame.t == "send":
                    self._queue.append((socket, frame))
                    self._wake.set()
                elif frame.t == "hello":
                    self._welcome(socket, frame)
        for conversation in socket.conversations:
            self._members[conversation].discard(socket)

    def _welcome(self, socket: _Socket, hello: _Frame) -> None:
        """The token says who it is and in which conversations."""
        sender, *conversations = hello.token.split(" ")
        socket.sender = UUID(sender)
        socket.conversations = [conversation.encode() for conversation in conversations]
        for conversation in socket.conversations:
            self._members[conversation].add(socket)
        if conversations:
            self._subscriber.write(pack(b"SUBSCRIBE", *(_CHANNEL + c for c in socket.conversations)))
        self._push(socket, b'{"t":"ok","id":1}')
        self._push(socket, b'{"t":"snapshot"}')

    async def _write(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            batch, self._queue = self._queue[:_MAX_BATCH], self._queue[_MAX_BATCH:]
            batch.sort(key=lambda one: one[1].c.int)
            rows = await connection.fetch(
                _POST,
                [frame.c for _, frame in batch],
                [frame.m for _, frame in batch],
                [socket.sender for socket, _ in batch],
                [_encode(frame.body).decode() for _, frame in batch],
            )
            commands: list[bytes] = []
            for (socket, frame), (s, moment) in zip(batch, rows, strict=True):
                at = round(moment.timestamp() * 1000)
                conversation = str(frame.c).encode()
                event = _encode(_Ev(frame.c, s, frame.m, socket.sender, at, frame.body))
                self._tell(conversation, event)
                self._push(socket, _encode(_Ok(frame.id, s, at)))
                commands.append(pack(b"PUBLISH", _CHANNEL + conversation, self._origin + event))
            self._publisher.write(b"".join(commands))

    def _heard(self, data: bytes) -> None:
        self._parser.feed(data)
        while (message := self._parser.gets()) is not False:
            if message[0] == b"message" and not message[2].startswith(self._origin):
                self._tell(message[1].removeprefix(_CHANNEL), message[2].partition(b"|")[2])

    def _tell(self, conversation: bytes, event: bytes) -> None:
        for socket in self._members[conversation]:
            self._push(socket, event)

    def _push(self, socket: _Socket, frame: bytes) -> None:
        if not socket.outbox:
            self._dirty.append(socket)
        socket.outbox.append(frame)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        """Write to all sockets that have something, each once."""
        while self._dirty:
            sockets, self._dirty = self._dirty, []
            for socket in sockets:
                frames, socket.outbox = socket.outbox, []
                await socket.send({"type": "websocket.send", "text": b"\n".join(frames).decode()})
        self._flushing = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready_fd: int) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            os.write(self._ready_fd, b"1")


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    config = uvicorn.Config(
        Floor(settings),
        host="127.0.0.1",
        port=settings.port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
    )
    _Server(config, int(sys.argv[sys.argv.index("--ready-fd") + 1])).run()


if __name__ == "__main__":
    main()
