"""The server processes of one `serve`: started, watched, restarted, stopped."""

import asyncio
import os
import signal
import sys
from time import monotonic

import structlog

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
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = False

    async def start(self) -> None:
        """Return once all take requests. Raises WorkerError if one ends or takes too long instead."""
        await asyncio.gather(*(self._started(number) for number in range(self._count)))

    async def watch(self) -> None:
        """Restart those that die, with growing pauses. Returns after `stop`."""
        await asyncio.gather(*(self._kept(number) for number in range(self._count)))

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

    async def _started(self, number: int) -> None:
        reading, writing = os.pipe()
        try:
            self._running[number] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.cli",
                "worker",
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
        finally:
            os.close(writing)
        try:
            ready = await asyncio.wait_for(_first_byte(reading), START_PATIENCE)
        except TimeoutError:
            ready = b""
        finally:
            os.close(reading)
        if not ready and not self._stopping:
            raise WorkerError("A server process ended or hung while it started; its words are above.")

    async def _kept(self, number: int) -> None:
        pause = 0.0
        while not self._stopping:
            process, started = self._running[number], monotonic()
            code = await process.wait()
            if self._stopping:
                return
            if monotonic() - started > GOOD_LIFE:
                pause = 0.0
            log.warning("server_process_died", pid=process.pid, exit_code=code, restart_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(max(pause * 2, SHORTEST_PAUSE), LONGEST_PAUSE)
            if self._stopping:
                return
            try:
                await self._started(number)
            except WorkerError:
                continue

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(number)

    async def _all_ended(self) -> None:
        await asyncio.gather(*(process.wait() for process in self._running.values()))


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
