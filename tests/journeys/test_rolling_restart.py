"""Processes that leave: their people are sent away in order, their messages are committed, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from websockets.exceptions import InvalidStatus

from app.cli.worker_processes import WorkerError, WorkerProcesses
from app.infra.database import Database
from app.settings import Settings
from tests.cli.conftest import Command, Deskbell
from tests.cli.conftest import deskbell as deskbell
from tests.conftest import StartServer
from tests.infra.embedded.conftest import gone
from tests.journeys.server_process import ServerProcess, free_port, is_ready
from tests.journeys.stage import Stage
from tests.journeys.talkers import Talker, all_is_well, everybody_spoke, pair, talking
from tests.journeys.wire_client import WireClient
from tests.process_table import children

PAIRS = 12
CROWD = 54
"""Above fifty sockets a process takes its time to send them away."""


@dataclass
class Serving:
    """A `deskbell serve`, and the stage on its port."""

    serve: Command
    stage: Stage

    @property
    def workers(self) -> set[int]:
        """Its server processes."""
        return {pid for pid, line in children(self.serve.process.pid).items() if "app.cli.server_process" in line}


@asynccontextmanager
async def serving(settings: Settings, deskbell: Deskbell, directory: Path, **changes: int) -> AsyncIterator[Serving]:
    """Run `deskbell serve` on the servers of the tests."""
    settings = settings.replaced(port=free_port(), public_url="", **changes)
    serve = await deskbell("serve", **settings.environment())
    await serve.until("/admin")
    place = ServerProcess(settings, directory / "unused.log")
    database = Database(settings.database_url)
    stage = Stage(place, place, database, settings)
    try:
        yield Serving(serve, stage)
    finally:
        await stage.send_home()
        await database.close()
        serve.send(signal.SIGTERM)
        assert await serve.ended() == 0, serve.output


@pytest.mark.slow
async def test_a_rolling_restart_under_load_loses_nothing(
    settings: Settings, deskbell: Deskbell, tmp_path: Path
) -> None:
    many = {"processes": 2, "connections_per_address": 1000, "visitor_messages_per_minute": 6000}
    async with serving(settings, deskbell, tmp_path, **many) as here:
        pairs: list[tuple[Talker, Talker]] = []
        while len(pairs) < PAIRS:
            await here.stage.forget_limits()
            shops = [(number, await here.stage.shop()) for number in range(len(pairs), len(pairs) + 5)]
            pairs += await asyncio.gather(*(pair(here.stage, shop, number) for number, shop in shops))
        before = here.workers
        assert len(before) == 2
        async with talking(pairs, pause_s=2):
            await everybody_spoke(pairs, more=1)
            here.serve.send(signal.SIGUSR2)
            await here.serve.until("All server processes were replaced.")
            assert len(here.workers) == 2
            assert not here.workers & before
            await everybody_spoke(pairs, more=1)
        await all_is_well(here.stage, pairs)
        talkers = [talker for both in pairs for talker in both]
        assert all(talker.returns for talker in talkers), "everybody had to move"


async def test_a_release_that_does_not_start_leaves_the_old_processes_at_work(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.replaced(port=free_port(), public_url="", processes=1)
    workers = WorkerProcesses(settings)
    try:
        await workers.start()
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(WorkerError):
            await workers.replace()
        assert await is_ready(settings.port)
    finally:
        await workers.stop(asyncio.Event())


async def test_a_process_that_is_told_to_end_sees_everybody_off(
    settings: Settings, server_process: StartServer, database: Database
) -> None:
    server, other = [await server_process(visitor_messages_per_minute=6000) for _ in range(2)]
    stage = Stage(server, other, database, settings)
    pairs = [await pair(stage, await stage.shop(), number) for number in range(3)]
    shop = await stage.shop()
    crowd: list[WireClient] = []
    while len(crowd) < CROWD:
        await stage.forget_limits()
        crowd += await asyncio.gather(*(stage.visitor(shop) for _ in range(CROWD // 3)))
    talkers = [talker for both in pairs for talker in both]
    over = asyncio.Event()
    talks = [asyncio.create_task(talker.talk(over, 0.05)) for talker in talkers]
    await everybody_spoke(pairs)

    visitors = [visitor for visitor, _ in pairs]
    ending = asyncio.create_task(farewells([*crowd, *(visitor.client for visitor in visitors)]))
    await asyncio.sleep(0)
    os.kill(server.pid, signal.SIGTERM)
    first = await crowd[0].until(lambda f: f["t"] == "reconnect")
    assert not await is_ready(server.settings.port), "no new visitors are sent here"
    with pytest.raises(InvalidStatus) as refused:
        await WireClient(server.url).open()
    assert refused.value.response.status_code == 503
    # They come back to another process, as behind one address, and go on where they were.
    for visitor in visitors:
        visitor.client.url = other.url
    slots = await ending
    assert await gone(server.pid), server.log

    assert first["after_ms"] in slots
    assert len(slots) == len(crowd) + len(visitors)
    assert 0 <= min(slots) < 3000 < 5000 < max(slots) <= 8000, "spread over eight seconds"
    await everybody_spoke(pairs)
    over.set()
    await asyncio.gather(*talks)
    await all_is_well(stage, pairs)
    await stage.send_home()


async def farewells(clients: list[WireClient]) -> list[int]:
    """Wait until all were sent away, none before its slot; return the slots in milliseconds."""
    began = monotonic()

    async def farewell(client: WireClient) -> int:
        assert await client.closed(within_s=30) == 4001
        slot: int = next(f["after_ms"] for f in client.log if f["t"] == "reconnect")
        assert monotonic() - began > slot / 1000
        return slot

    return await asyncio.gather(*(farewell(client) for client in clients))


async def test_a_thousand_connections_spread_over_all_processes(
    settings: Settings, deskbell: Deskbell, tmp_path: Path
) -> None:
    async with serving(settings, deskbell, tmp_path, processes=4, connections_per_address=2000) as here:
        before = {pid: sockets_of(pid) for pid in here.workers}
        with ExitStack() as stack:
            for _ in range(1000):
                stack.enter_context(socket.create_connection(("127.0.0.1", here.stage.settings.port)))
            async with asyncio.timeout(30):
                while sum(sockets_of(pid) - count for pid, count in before.items()) < 990:
                    await asyncio.sleep(0.1)
            shares = {pid: (sockets_of(pid) - count) / 1000 for pid, count in before.items()}
        assert len(shares) == 4
        assert all(0.15 < share < 0.35 for share in shares.values()), shares


def sockets_of(pid: int) -> int:
    """How many sockets a process has open."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return count
