"""One server process and TCP clients that are slow, huge, many, or no clients at all."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.cli.connections import Connections
from app.cli.http_protocol import LARGEST_HEAD, Patience, bounded_http
from app.cli.listening import listening_socket
from app.cli.socket_protocol import SocketProtocol
from app.gateway.endpoint import TAKE_OVER, Listener, Socket
from app.infra.headcount import Headcount, Proxies
from app.settings import Settings
from tests.journeys.server_process import free_port

SHORT = Patience(head=0.5, body=0.5, reading=0.5, farewell=0.5)
LONG_S = 20
"""Long enough for anything that happens by itself; what never happens fails then."""
GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


class Echo:
    """Hears a socket and says the same."""

    def __init__(self, take_over: Callable[[Listener], Socket]) -> None:
        self._socket = take_over(self)

    def heard_at_once(self, text: str) -> bool:
        return False

    async def heard(self, text: str | None) -> None:
        await self._socket.send({"type": "websocket.send", "text": text})

    def gone(self) -> None:
        pass


async def whoever(scope: Any, receive: Any, send: Any) -> None:
    """An application: counts what it was sent, or echoes on a socket. /huge is too much for a reader who does not."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        Echo(scope["extensions"][TAKE_OVER])
        return
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"x" * 20_000_000 if scope["path"] == "/huge" else str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def a_server(
    *, patience: Patience = SHORT, most: int = 100, of_one: int = 100, proxies: str = ""
) -> AsyncIterator[int]:
    """Serve on a port with the protocols of a server process."""
    among = Connections(most, Headcount(of_one, Proxies(proxies)))
    config = uvicorn.Config(
        whoever,
        http=bounded_http(among, patience),
        ws=SocketProtocol,
        lifespan="off",
        log_config=None,
        ws_max_size=65_536,
        ws_ping_interval=None,
    )
    server = uvicorn.Server(config)
    port = free_port()
    task = asyncio.create_task(server._serve([listening_socket(Settings(port=port))]))
    async with asyncio.timeout(LONG_S):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = server.force_exit = True
        await task


class Raw:
    """A TCP client that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        """Send; somebody who was hung up on is not heard."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            pass

    async def answer(self) -> tuple[int, bytes]:
        """Return an answer's status and body."""
        async with asyncio.timeout(LONG_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return int(head.split()[1]), await self._reader.readexactly(length)

    async def error(self) -> tuple[int, str]:
        """Return an error's status and code."""
        status, body = await self.answer()
        return status, json.loads(body)["error"]["code"]

    async def hung_up(self) -> bytes:
        """Wait until the server hangs up; return what it said before that."""
        said = b""
        async with asyncio.timeout(LONG_S):
            try:
                while data := await self._reader.read(65_536):
                    said += data
            except OSError:
                pass
        return said

    async def alive(self) -> bool:
        """Whether a request is answered."""
        await self.say(GET)
        try:
            return (await self.answer())[0] == 200
        except (asyncio.IncompleteReadError, OSError):
            return False


@asynccontextmanager
async def raw(port: int, *, address: str = "127.0.0.1") -> AsyncIterator[Raw]:
    """Connect from an address of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


async def trickle(client: Raw, data: bytes) -> None:
    """Send one byte at a time."""
    for byte in data:
        await client.say(bytes([byte]))
        await asyncio.sleep(0.05)


async def test_a_head_that_does_not_come_in_time_ends_the_connection() -> None:
    async with a_server() as port, raw(port) as mute, raw(port) as half, raw(port) as slow, raw(port) as kept:
        await half.say(GET[:-2])
        trickling = asyncio.create_task(trickle(slow, GET[:-2] + b"X-Slow: " + b"x" * 10_000))
        assert await kept.alive()
        assert await kept.alive(), "a connection may bring a second request"
        await kept.say(GET[:10])
        for client in (mute, half, slow, kept):
            assert await client.hung_up() == b""
        trickling.cancel()


async def test_a_body_that_does_not_come_in_time_ends_the_connection_and_is_not_half_believed() -> None:
    post = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000\r\n\r\n"
    chunked = b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with a_server() as port, raw(port) as mute, raw(port) as slow, raw(port) as endless:
        await mute.say(post)
        await endless.say(chunked)
        trickling = asyncio.create_task(trickle(slow, post + b"x" * 900))
        for client in (mute, slow, endless):
            assert await client.hung_up() == b""
        trickling.cancel()


async def test_a_reader_that_takes_nothing_is_dropped() -> None:
    async with a_server() as port, raw(port) as stuck, raw(port) as brisk:
        stuck.writer.transport.pause_reading()
        await stuck.say(b"GET /huge HTTP/1.1\r\nHost: shop\r\n\r\n")
        await brisk.say(b"GET /huge HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert len((await brisk.answer())[1]) == 20_000_000
        # Nothing of it is read meanwhile: only the server can end this.
        async with asyncio.timeout(LONG_S):
            while await established(port) > 1:
                await asyncio.sleep(0.05)
        assert await brisk.alive()


async def established(port: int) -> int:
    """How many connections the server holds, as the system tells it."""
    ours = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(local.endswith(ours) and state == "01" for _, local, _, state, *_ in rows)


@pytest.mark.parametrize("size", [LARGEST_HEAD + 1, 100_000, 2_000_000])
async def test_a_head_that_is_too_large_is_refused_in_one_read_and_in_many(size: int) -> None:
    head = GET[:-2] + b"X-Large: " + b"x" * size + b"\r\n\r\n"
    async with a_server(patience=Patience()) as port:
        async with raw(port) as once:
            await once.say(head)
            assert await once.error() == (431, "too_large")
            assert await once.hung_up() == b""
        async with raw(port) as pieces:
            for place in range(0, min(size, 60_000), 5_000):
                await pieces.say(head[place : place + 5_000])
                await asyncio.sleep(0)
            assert await pieces.error() == (431, "too_large")
        async with raw(port) as fitting:
            await fitting.say(GET[:-2] + b"X-Large: " + b"x" * 30_000 + b"\r\n\r\n")
            assert (await fitting.answer())[0] == 200


async def test_what_is_no_http_is_refused_and_a_faulty_body_too(caplog: pytest.LogCaptureFixture) -> None:
    async with a_server(patience=Patience()) as port:
        for rubbish in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"hello\r\n\r\n"):
            async with raw(port) as client:
                await client.say(rubbish)
                assert await client.error() == (400, "invalid")
        async with raw(port) as client:
            await client.say(b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            assert await client.error() == (400, "invalid")
    assert_calm(caplog)


async def test_one_address_holds_so_many_connections_and_no_more() -> None:
    async with a_server(patience=Patience(), of_one=3) as port:
        async with raw(port) as one, raw(port) as two, raw(port) as three, raw(port) as four:
            assert [await client.alive() for client in (one, two, three)] == [True] * 3
            await four.say(GET)
            assert await four.error() == (429, "rate_limited")
            assert await four.hung_up() == b""
            async with raw(port, address="127.0.0.2") as neighbour:
                assert await neighbour.alive()
        async with asyncio.timeout(LONG_S):
            while await established(port):
                await asyncio.sleep(0.01)
        async with raw(port) as later:
            assert await later.alive()


async def test_a_proxy_may_hold_more_than_one_address() -> None:
    async with (
        a_server(patience=Patience(), of_one=1, proxies="127.0.0.0/8") as port,
        raw(port) as one,
        raw(port) as two,
    ):
        assert [await client.alive() for client in (one, two)] == [True] * 2


async def test_a_crowd_that_only_holds_connections_makes_room() -> None:
    async with a_server(patience=Patience(), most=5) as port:
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _ in range(20):
            async with raw(port) as busy:
                assert await busy.alive()
        for _, writer in waiting:
            writer.transport.abort()


async def test_who_comes_when_all_places_are_in_use_is_told_so_and_nobody_is_harmed() -> None:
    async with a_server(patience=Patience(), most=3) as port:
        address = f"ws://127.0.0.1:{port}/ws"
        sockets = [await connect(address, compression=None) for _ in range(3)]
        for _ in range(10):
            async with raw(port) as late:
                await late.say(GET)
                assert await late.error() == (503, "unavailable")
        for number, socket in enumerate(sockets):
            await socket.send(f"still here {number}")
            assert await socket.recv() == f"still here {number}"
        await sockets.pop().close()
        async with asyncio.timeout(LONG_S):
            while await established(port) > 2:
                await asyncio.sleep(0.01)
        async with raw(port) as later:
            assert await later.alive()
        for socket in sockets:
            await socket.close()


async def test_a_handshake_that_cannot_be_read_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    many = b"".join(b"X-%d: x\r\n" % number for number in range(200))
    async with a_server(patience=Patience()) as port:
        for more in (b"X-Long: " + b"x" * 9_000 + b"\r\n", many, b"X-Odd: \x01\r\n"):
            async with raw(port) as client:
                await client.say(upgrade + more + b"\r\n")
                assert (await client.hung_up()).split()[1] in (b"400", b"431"), more[:20]
        for early in (b"\xff" * 20, b"\x88\x80\x00\x00\x00\x00", b"\x81\x01x"):
            async with raw(port) as client:
                await client.say(upgrade + b"\r\n" + early)
                await client.hung_up()
    assert_calm(caplog)


async def test_pings_without_a_reader_do_not_pile_up() -> None:
    async with a_server(patience=Patience()) as port:
        socket = await connect(f"ws://127.0.0.1:{port}/ws", compression=None, ping_interval=None)
        socket.transport.pause_reading()
        ping = b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125
        async with asyncio.timeout(LONG_S):
            while await established(port):
                if socket.transport.get_write_buffer_size() < 1_000_000:
                    socket.transport.write(ping * 1_000)
                await asyncio.sleep(0)
        socket.transport.abort()


async def test_a_message_of_endless_empty_pieces_is_too_big() -> None:
    async with a_server(patience=Patience()) as port:
        socket = await connect(f"ws://127.0.0.1:{port}/ws", compression=None)
        socket.transport.write(b"\x01\x80\x00\x00\x00\x00" + b"\x00\x80\x00\x00\x00\x00" * 2_000)
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(LONG_S):
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def assert_calm(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it was an error of ours."""
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
