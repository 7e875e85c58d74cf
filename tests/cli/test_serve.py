"""`deskbell serve` brings everything up, keeps it up, and takes everything down."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from app.settings import Settings
from tests.cli.conftest import ROOT, Command, Deskbell
from tests.infra.embedded.conftest import gone
from tests.journeys.server_process import free_port, is_ready
from tests.process_table import children


async def test_serve_brings_all_up_and_an_interrupt_takes_all_down(directory: Path, deskbell: Deskbell) -> None:
    port = free_port()
    serve = await deskbell(
        "serve", DESKBELL_DATA_DIR=str(directory / "data"), DESKBELL_PORT=str(port), DESKBELL_PROT="1"
    )
    await serve.until("/admin")
    assert "DESKBELL_PROT is set, but Deskbell has no such setting." in serve.output
    assert f"http://127.0.0.1:{port}/demo" in serve.output
    assert f"http://127.0.0.1:{port}/console" in serve.output
    assert await is_ready(port)
    started = children(serve.process.pid)
    assert sorted(what(line) for line in started.values()) == ["postgres", "redis", "worker", "worker"]

    serve.send(signal.SIGINT)

    assert await serve.ended() == 0, serve.output
    assert [started[pid] for pid in started if not await gone(pid, 0)] == []
    assert "Traceback" not in serve.output


async def test_a_killed_serve_leaves_nothing_and_starts_again_at_once(directory: Path, deskbell: Deskbell) -> None:
    settings = {"DESKBELL_DATA_DIR": str(directory / "data"), "DESKBELL_PORT": str(free_port())}
    serve = await deskbell("serve", **settings)
    await serve.until("/admin")
    started = children(serve.process.pid)
    assert len(started) == 4
    serve.send(signal.SIGKILL)
    await serve.ended()

    again = await deskbell("serve", **settings)
    await again.until("/admin")

    assert [started[pid] for pid in started if not await gone(pid, 0)] == []
    again.send(signal.SIGTERM)
    assert await again.ended() == 0, again.output


async def test_a_server_process_that_dies_is_replaced(settings: Settings, deskbell: Deskbell) -> None:
    serve = await deskbell("serve", **elsewhere(settings))
    await serve.until("/admin")
    before = children(serve.process.pid)
    assert [what(line) for line in before.values()] == ["worker", "worker"], "servers were named by the settings"
    killed = min(before)
    os.kill(killed, signal.SIGKILL)

    async with asyncio.timeout(30):
        while len(set(children(serve.process.pid)) - {killed}) < 2:
            await asyncio.sleep(0.05)

    serve.send(signal.SIGTERM)
    assert await serve.ended() == 0, serve.output
    assert f"pid={killed}" in serve.output


async def test_a_stop_during_the_start_is_a_clean_stop(directory: Path, deskbell: Deskbell) -> None:
    settings = {"DESKBELL_DATA_DIR": str(directory / "data"), "DESKBELL_PORT": str(free_port())}
    serve = await deskbell("serve", **settings)
    async with asyncio.timeout(30):
        while not (started := children(serve.process.pid)):
            await asyncio.sleep(0.01)
    serve.send(signal.SIGTERM)
    assert await serve.ended() == 0, serve.output
    assert [started[pid] for pid in started if not await gone(pid, 0)] == []


async def test_an_interrupt_to_make_alone_stops_serve(settings: Settings, tmp_path: Path, deskbell: Deskbell) -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("run: ")[2].splitlines()[1]
    assert "--until-parent $$PPID" in recipe
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} -m app.cli serve --until-parent $$PPID\n")
    make = await deskbell(before=("make", "-f", str(makefile), "run"), **elsewhere(settings))
    await make.until("/admin")
    (serve,) = children(make.process.pid)
    workers = children(serve)
    assert len(workers) == 2

    make.send(signal.SIGINT)

    await make.ended()
    assert "Deskbell has stopped." in make.output
    assert [pid for pid in (serve, *workers) if not await gone(pid, 5)] == []


async def test_a_taken_port_is_named_in_one_line(deskbell: Deskbell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = await deskbell("serve", DESKBELL_PORT=str(port), DESKBELL_DATA_DIR=str(tmp_path / "data"))
        assert await serve.ended() == 2
    assert one_line(serve).startswith(f"deskbell: Port {port} of 127.0.0.1 is taken")
    assert "DESKBELL_PORT" in serve.output
    assert not (tmp_path / "data").exists()


async def test_a_database_out_of_reach_is_said_in_one_line(deskbell: Deskbell) -> None:
    nowhere = {"DESKBELL_DATABASE_URL": f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/desk"}
    serve = await deskbell(
        "serve",
        DESKBELL_REDIS_URL="redis://127.0.0.1:1",
        DESKBELL_SECRET_KEY="s" * 40,
        DESKBELL_PORT=str(free_port()),
        **nowhere,
    )
    assert await serve.ended() == 1
    assert "The database cannot be reached" in one_line(serve)
    assert "hunter2" not in serve.output


async def test_a_worker_alone_needs_both_addresses(deskbell: Deskbell) -> None:
    worker = await deskbell("worker", DESKBELL_REDIS_URL="redis://127.0.0.1:1")
    assert await worker.ended() == 2
    assert "DESKBELL_DATABASE_URL" in one_line(worker)


def elsewhere(settings: Settings) -> dict[str, str]:
    """The variables for a `serve` that uses the servers of the tests."""
    return settings.replaced(port=free_port(), public_url="").environment()


def what(command: str) -> str:
    """Which of our processes this command line is."""
    kinds = {"/postgres ": "postgres", "-server ": "redis", ".server_process ": "worker"}
    return next((kind for mark, kind in kinds.items() if mark in command), command)


def one_line(command: Command) -> str:
    """All that it has written, which must be one line."""
    (line,) = command.output.splitlines()
    return line
