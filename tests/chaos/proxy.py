"""A TCP proxy that can make a connection bad in every way a network can, while it runs.

It listens on a port or a unix socket and passes bytes on to another. What it does to them is its `weather`, which may
change at any time and holds for open connections too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Direction = Literal["up", "down"]
"""`up` runs from the one who connected to the server behind the proxy, `down` back."""
Address = tuple[str, int] | Path
CHUNK = 16 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to bytes.

    Attributes:
        latency_s: each piece waits so long.
        bytes_per_s: most that pass in each direction of each connection; 0 means no limit.
        black_hole: nothing passes in either direction, nothing is refused. What was swallowed arrives when the
            weather clears, as TCP sends again what was lost.
        refuse: new connections are closed at once.
    """

    latency_s: float = 0.0
    bytes_per_s: int = 0
    black_hole: bool = False
    refuse: bool = False


CALM = Weather()


class FaultProxy:
    """One listening address in front of one server.

    Args:
        upstream: (host, port), or the path of a unix socket.
        listen: where to listen; None means any free port of 127.0.0.1, see `address` after `start`.
    """

    def __init__(self, upstream: Address, listen: Path | None = None) -> None:
        self._upstream = upstream
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._clear = asyncio.Event()
        self._clear.set()
        self.weather = CALM
        self.pairs: set[Pair] = set()
        self.address: Address = listen or ("127.0.0.1", 0)

    async def start(self) -> None:
        """Begin to listen."""
        if self._listen is not None:
            self._server = await asyncio.start_unix_server(self._accept, path=str(self._listen))
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.address = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.reset()
        while self.pairs:
            await asyncio.sleep(0.01)

    # What the weather does

    def change(self, **changes: object) -> None:
        """Set some of the weather's attributes."""
        self.weather = replace(self.weather, **changes)  # type: ignore[arg-type]
        if self.weather.black_hole:
            self._clear.clear()
        else:
            self._clear.set()

    def calm(self) -> None:
        """Good weather again. What was done to a single connection is not undone."""
        self.change(latency_s=0.0, bytes_per_s=0, black_hole=False, refuse=False)

    # What happens to connections that are open now

    def reset(self) -> None:
        """End every connection with a reset on both sides."""
        for pair in list(self.pairs):
            pair.reset()

    def half_open(self) -> None:
        """Every client vanishes without a word: the server's side stays open and silent."""
        for pair in list(self.pairs):
            pair.lose_client()

    def cut_after(self, count: int, direction: Direction) -> None:
        """Let so many more bytes pass in one direction of every connection, then reset it."""
        for pair in list(self.pairs):
            pair.budget[direction] = count

    def drop_replies(self) -> None:
        """Swallow what the server says from now on, on every open connection; what clients say still arrives."""
        for pair in list(self.pairs):
            pair.swallows = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair(self, reader, writer)
        self.pairs.add(pair)
        try:
            await self._clear.wait()
            if not self.weather.refuse:
                await pair.run(self._connect)
        finally:
            self.pairs.discard(pair)
            _close(writer, reset=False)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(str(self._upstream))
        return await asyncio.open_connection(*self._upstream)

    async def clear(self) -> None:
        """Wait while there is a black hole."""
        await self._clear.wait()


class Pair:
    """One client's connection and the one to the server that was opened for it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._ended = asyncio.Event()
        self._client_lost = False
        self.budget: dict[Direction, int | None] = {"up": None, "down": None}
        self.swallows = False

    async def run(self, connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]) -> None:
        """Pass bytes both ways until one side ends."""
        try:
            self._server = await connect()
        except OSError:
            return
        up = asyncio.create_task(self._pump("up", self._client[0], self._server[1]))
        down = asyncio.create_task(self._pump("down", self._server[0], self._client[1]))
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({up, down, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._client_lost and not self._ended.is_set():
                # Half open: the server's side lives until the server gives it up.
                await asyncio.wait({down, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down, ended):
                task.cancel()
            await asyncio.gather(up, down, ended, return_exceptions=True)
            _close(self._server[1], reset=self._ended.is_set())

    def reset(self) -> None:
        """End both sides with a reset."""
        _close(self._client[1], reset=True)
        if self._server is not None:
            _close(self._server[1], reset=True)
        self._ended.set()

    def lose_client(self) -> None:
        """The client is gone; the server is not told."""
        if self._server is None:
            self.reset()
            return
        self._client_lost = True
        self.swallows = True
        _close(self._client[1], reset=True)

    async def _pump(self, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self._proxy.weather.latency_s:
                    await asyncio.sleep(self._proxy.weather.latency_s)
                while data:
                    await self._proxy.clear()
                    size = await self._allowed(len(data))
                    if direction == "up" or not self.swallows:
                        sink.write(data[: self._spend(direction, size)])
                        await sink.drain()
                    data = data[size:]
                    if self.budget[direction] == 0:
                        self.reset()
                        return
        # A farewell travels no faster than the bytes before it.
        await self._proxy.clear()

    async def _allowed(self, size: int) -> int:
        """Wait for the next piece's turn; return how many bytes it may have. The weather may change meanwhile."""
        rate = self._proxy.weather.bytes_per_s
        if not rate:
            return size
        piece = min(size, max(1, rate // 10))
        await asyncio.sleep(piece / rate)
        return piece

    def _spend(self, direction: Direction, size: int) -> int:
        budget = self.budget[direction]
        if budget is None:
            return size
        self.budget[direction] = budget - min(size, budget)
        return min(size, budget)


def _close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close a connection. A reset is what the other side sees of a process or a machine that is suddenly gone."""
    if reset:
        endpoint = writer.get_extra_info("socket")
        if endpoint is not None and endpoint.family != socket.AF_UNIX:
            with suppress(OSError):
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
    else:
        writer.close()
