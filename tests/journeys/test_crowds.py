"""Many who come at once, and some who do not listen: 4001, 4008, 4009, 4012; nobody else is harmed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from app.cli.connections import Connections
from app.cli.http_protocol import bounded_http
from app.cli.listening import listening_socket
from app.cli.socket_protocol import SocketProtocol
from app.gateway.heartbeat import Pulse
from app.infra.database import Database
from app.infra.headcount import Headcount, Proxies
from app.main import Deskbell
from app.settings import Settings
from tests.conftest import StartServer
from tests.journeys.cast import Shop, open_shop, visit
from tests.journeys.server_process import ServerProcess, free_port
from tests.journeys.wire_client import Frame, WireClient, visitor_session

LONG_S = 60
PAGE: Frame = {"t": "page", "url": "https://shop.example/teapots", "title": "Teapots"}
FAST = 60_000
"""Messages a minute, where the pace is not what is looked at."""


def calm(server: ServerProcess) -> bool:
    """Whether nothing in its log is an error of ours."""
    marks = ("Traceback", "ASGI callable", "[error", "Exception")
    return not [line for line in server.log.splitlines() if any(mark in line for mark in marks)]


async def chat(shop: Shop, url: str, name: str) -> tuple[WireClient, WireClient, str]:
    """A visitor and an agent of a shop in conversation; nobody else may be waiting there."""
    agent = await (await shop.hire(name, capacity=1)).come(url)
    visitor, visitor.token = await visit(url, shop)
    async with asyncio.timeout(LONG_S):
        while True:
            answer = await visitor.post({"t": "start"})
            if answer["t"] == "ok":
                break
            assert answer["code"] == "no_agents", answer
            await asyncio.sleep(0.1)
    await agent.head(answer["c"], "active", within_s=LONG_S)
    return visitor, agent, answer["c"]


@pytest.mark.slow
async def test_a_stop_with_clients_that_keep_coming_back_is_quiet(
    server_process: StartServer, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    vera, ana, c = await chat(shop, server.url, "Ana")
    tokens = [(await visitor_session(server.url, shop.site_key))["token"] for _ in range(20)]
    stopped = asyncio.Event()

    async def keeps_coming(token: str) -> None:
        while not stopped.is_set():
            client = WireClient(server.url)
            try:
                await client.open()
                await client.hello(token)
                if len(token) % 2:
                    client.cut()
                await client.closed()
            except (OSError, InvalidStatus, ConnectionClosed, EOFError, AssertionError, TimeoutError):
                await asyncio.sleep(0)

    crowd = [asyncio.create_task(keeps_coming(token)) for token in tokens]
    await vera.say(c, "Are you still there?")
    await server.stop()
    assert [await vera.closed(), await ana.closed()] == [4001, 4001]
    for client in (vera, ana):
        assert "reconnect" in [frame["t"] for frame in client.log]
    stopped.set()
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert calm(server), server.log


async def test_who_does_not_read_is_closed_as_slow_and_costs_the_others_nothing(
    server_process: StartServer, database: Database
) -> None:
    server = await server_process(visitor_messages_per_minute=FAST)
    shop = await open_shop(database)
    vera, ana, c = await chat(shop, server.url, "Ana")
    vic, ben, d = await chat(await open_shop(database), server.url, "Ben")
    stuck = await stuck_window(vera)
    others = [(await visit(server.url, shop, vera.token))[0] for _ in range(WINDOWS - 2)]
    long_words = "\N{GRINNING FACE}" * 5_000
    said = 0
    # A window more is let in as soon as the server has given the stuck one up.
    while said == 0 or said % 5 or not await room_for_a_window(vera):
        await ana.say(c, long_words)
        said += 1
        await vic.say(d, f"words {said}")
        assert said < 1_000, "it was never closed"
    assert said > 10, "it takes more than a few"
    assert await last_code(stuck) == 4008
    await ben.until(lambda f: f.get("data") == {"text": f"words {said}"}, within_s=LONG_S)
    assert ben.texts(d) == [f"words {n}" for n in range(1, said + 1)]
    for window in (vera, *others):
        await window.until(lambda f: f["t"] == "ev" and f["s"] >= said + 2, within_s=LONG_S)
        assert window.texts(c) == [long_words] * said, "the windows that read have everything"
    assert calm(server), server.log


WINDOWS = 5
"""So many a visitor may have."""


async def stuck_window(visitor: WireClient) -> ClientConnection:
    """Another window of a visitor, which says hello and then reads nothing any more."""
    socket = await connect(
        visitor.url.replace("http", "ws") + "/ws",
        origin=visitor.url,  # type: ignore[arg-type]
        subprotocols=["deskbell.v1"],  # type: ignore[list-item]
        compression=None,
        ping_interval=None,
        max_size=None,
        max_queue=None,
    )
    await socket.send(json.dumps({"t": "hello", "id": 1, "token": visitor.token}))
    while '"t":"snapshot"' not in str(await socket.recv()):
        pass
    socket.transport.pause_reading()
    return socket


async def last_code(socket: ClientConnection) -> int | None:
    """Read again, to the end; return the code that stood there."""
    socket.transport.resume_reading()
    async with asyncio.timeout(LONG_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


async def room_for_a_window(visitor: WireClient) -> bool:
    """Whether one more window of a visitor is let in."""
    client = WireClient(visitor.url)
    await client.open()
    answer = await client.post({"t": "hello", "token": visitor.token})
    await client.close()
    return answer["t"] == "ok"


@asynccontextmanager
async def short_of_patience(settings: Settings, pulse: Pulse) -> AsyncIterator[str]:
    """A server in this process whose sockets have a heartbeat of their own. Gives its address."""
    settings = settings.replaced(port=free_port(), public_url="")
    app = Deskbell(settings, pulse)
    config = uvicorn.Config(
        app,
        http=bounded_http(Connections(100, Headcount(100, Proxies("")))),
        ws=SocketProtocol,
        ws_ping_interval=None,
        lifespan="on",
        log_config=None,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listening_socket(settings)]))
    async with asyncio.timeout(LONG_S):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield settings.public_url
    finally:
        server.should_exit = True
        await task


async def test_who_is_silent_for_too_long_is_closed_and_who_answers_is_not(
    settings: Settings, database: Database
) -> None:
    shop = await open_shop(database)
    async with short_of_patience(settings, Pulse(ping_every=0.2, idle_every=0.2, pong_within=6.0)) as url:
        vera, token = await visit(url, shop)
        silent, _ = await visit(url, shop)
        silent.auto_pong = False
        # Frames of the socket's own kind are no sign of a client that works.
        pinging, _ = await visit(url, shop, token)
        pinging.auto_pong = False
        pings = asyncio.create_task(ping_on(pinging))
        assert [await silent.closed(LONG_S), await pinging.closed(LONG_S)] == [4012, 4012]
        assert [f for f in silent.log if f["t"] == "ping"]
        pings.cancel()
        await vera.command(PAGE)
        await vera.close()


async def ping_on(client: WireClient) -> None:
    while True:
        await client.raw_frame(Opcode.PING, b"still here")
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_crowd_from_one_address_or_one_that_says_nothing_keeps_nobody_out(
    server_process: StartServer, database: Database
) -> None:
    server = await server_process(connections=30, connections_per_address=5)
    vera, ana, c = await chat(await open_shop(database), server.url, "Ana")

    async def from_address(address: str) -> ClientConnection:
        return await connect(
            server.url.replace("http", "ws") + "/ws",
            origin=server.url,  # type: ignore[arg-type]
            subprotocols=["deskbell.v1"],  # type: ignore[list-item]
            additional_headers={"X-Forwarded-For": address},
        )

    sockets = [await from_address("203.0.113.7") for _ in range(5)]
    with pytest.raises(InvalidStatus) as refused:
        await from_address("203.0.113.7")
    assert refused.value.response.status_code == 429
    assert json.loads(refused.value.response.body)["error"]["code"] == "rate_limited"
    neighbour = await from_address("203.0.113.8")
    await sockets.pop().close()
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                sockets.append(await from_address("203.0.113.7"))
                break
            except InvalidStatus:
                await asyncio.sleep(0.05)
    for socket in (*sockets, neighbour):
        await socket.close()
    silent = [WireClient(server.url) for _ in range(16)]
    for client in silent:
        await client.open()
    # Half of thirty places are for those who say nothing; all but the oldest have their five seconds.
    assert await silent[0].closed(LONG_S) == 4009
    assert await silent[1].closed(LONG_S) == 4501
    await vera.say(c, "We are not in anybody's way.")
    await ana.until(lambda f: f.get("data") == {"text": "We are not in anybody's way."})
    assert calm(server), server.log
