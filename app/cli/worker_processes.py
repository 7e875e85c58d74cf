"""The server processes of one `serve`: started, watched, restarted, replaced, stopped."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from time import monotonic

import structlog

from app.cli.signals import HAND_OVER
from app.infra.embedded.child import dies_with_this_process
from app.settings import Settings

log = structlog.stdlib.get_logger(__name__)

START_PATIENCE = 60.0
"""Seconds for a process to take its first request."""
STOP_PATIENCE = 15.0
"""Seconds for a process to see its visitors off."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
"""Seconds between two restarts of a process that keeps dying."""
GOOD_LIFE = 30.0
"""Seconds of life after which the next restart comes at once."""


class WorkerError(Exception):
    """A process ended before it was ready."""


class WorkerProcesses:
    """As many processes as `settings.processes`, all on one port."""

    def __init__(self, settings: Settings) -> None:
        self._environment = {**os.environ, **settings.environment()}
        self._count = settings.processes
        self._alive: set[asyncio.subprocess.Process] = set()
        self._serving: dict[int, asyncio.subprocess.Process] = {}
        self._changing = asyncio.Lock()
        self._stopping = False

    async def start(self) -> None:
        """Return once all take requests. Raises WorkerError if one ends or takes too long instead."""
        started = await asyncio.gather(*(self._started() for _ in range(self._count)))
        self._serving = dict(enumerate(started))

    async def watch(self) -> None:
        """Restart those that die, with growing pauses. Returns after `stop`."""
        await asyncio.gather(*(self._kept(number) for number in range(self._count)))

    async def replace(self) -> None:
        """Put a new process in the place of each, one after another: the old one leaves when the new one serves.

        Raises:
            WorkerError: a new one does not start. The old ones that are left go on.
        """
        for number in range(self._count):
            async with self._changing:
                if self._stopping:
                    return
                new = await self._started()
                old, self._serving[number] = self._serving[number], new
            log.info("server_process_replaced", old=old.pid, new=new.pid)
            _send(old, HAND_OVER)
            try:
                async with asyncio.timeout(STOP_PATIENCE):
                    await old.wait()
            except TimeoutError:
                _send(old, signal.SIGKILL)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask all to end and return when they have: at most STOP_PATIENCE seconds, less with `hurry`."""
        self._stopping = True
        self._signal_all(signal.SIGTERM)
        ended = asyncio.ensure_future(self._all_ended())
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait([ended, hurried], timeout=STOP_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        self._signal_all(signal.SIGKILL)
        await ended

    async def _started(self) -> asyncio.subprocess.Process:
        """A new process that takes requests. Raises WorkerError."""
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.cli.server_process",
                "--ready-fd",
                str(writing),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[writing],
                # Ctrl-C in the terminal is for this process, which then stops them in order.
                start_new_session=True,
                # Nothing is lost that way, and the port is free at once for the next `serve`.
                preexec_fn=dies_with_this_process(signal.SIGKILL),
            )
            self._alive.add(process)
        finally:
            os.close(writing)
        try:
            async with asyncio.timeout(START_PATIENCE):
                ready = await _first_byte(reading)
        except TimeoutError:
            ready = b""
        finally:
            os.close(reading)
        if not ready and not self._stopping:
            _send(process, signal.SIGKILL)
            await process.wait()
            self._alive.discard(process)
            raise WorkerError("A server process ended or hung while it started; its words are above.")
        return process

    async def _kept(self, number: int) -> None:
        pause = 0.0
        while not self._stopping:
            process, started = self._serving[number], monotonic()
            code = await process.wait()
            self._alive.discard(process)
            if self._stopping:
                return
            if self._serving[number] is not process:
                continue
            if monotonic() - started > GOOD_LIFE:
                pause = 0.0
            log.warning("server_process_died", pid=process.pid, exit_code=code, restart_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(max(pause * 2, SHORTEST_PAUSE), LONGEST_PAUSE)
            async with self._changing:
                if self._stopping or self._serving[number] is not process:
                    continue
                with suppress(WorkerError):
                    self._serving[number] = await self._started()

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._alive:
            _send(process, number)

    async def _all_ended(self) -> None:
        await asyncio.gather(*(process.wait() for process in self._alive))


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)


async def _first_byte(reading: int) -> bytes:
    """What the child says on the pipe; empty if it ended first."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not said.done():
            said.set_result(os.read(reading, 1))

    loop.add_reader(reading, read)
    try:
        return await said
    finally:
        loop.remove_reader(reading)
