"""The load generator's process, seen from the measurement."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from app.bench.ground import BenchError
from app.bench.orders import Diary, Flooded, Orders, Return
from app.infra.embedded.child import dies_with_this_process

ANSWER_PATIENCE_S = 600.0


class Driver:
    """Tells the generator what to do. `pid` is its process."""

    def __init__(self, process: asyncio.subprocess.Process, diary: Path) -> None:
        self._process = process
        self._diary = diary
        self.pid = process.pid

    async def open(self, count: int) -> None:
        """Return when `count` sockets are open."""
        self._say(f"open {count}")
        await self._hear("open")

    def speak(self) -> None:
        """Start the schedule; `begun` and `ended` tell how far it is."""
        self._say("speak")

    async def churn(self, cycles: int) -> None:
        """Return when so many sockets were opened and reset."""
        self._say(f"churn {cycles}")
        await self._hear("end")

    def lose(self) -> None:
        """Expect a server process to die once it has `begun`; `ended` when all have come back."""
        self._say("lose")

    def flood(self, per_s: float) -> None:
        """Say so many messages a second, whatever the server answers, until `flooded`."""
        self._say(f"flood {per_s}")

    async def begun(self) -> None:
        """Return when the measured part starts."""
        await self._hear("begin")

    async def ended(self) -> None:
        """Return when all is decided."""
        await self._hear("end")

    async def quit(self) -> Diary:
        """Let it go; return its diary."""
        return msgspec.json.decode(await self._last_words(), type=Diary)

    async def returned(self) -> Return:
        """Let it go; return what it saw of a loss."""
        return msgspec.json.decode(await self._last_words(), type=Return)

    async def flooded(self) -> Flooded:
        """End its flood and let it go; return what it saw."""
        self._say("enough")
        await self._hear("end")
        return msgspec.json.decode(await self._last_words(), type=Flooded)

    async def _last_words(self) -> bytes:
        self._say("quit")
        if await self._process.wait():
            raise await self._failure()
        return self._diary.read_bytes()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(f"{line}\n".encode())

    async def _hear(self, word: str) -> None:
        """Wait for a word.

        Raises:
            BenchError: the generator ended instead.
        """
        assert self._process.stdout is not None, "it is a pipe"
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_PATIENCE_S)
        if line.decode().split()[:1] != [word]:
            raise await self._failure()

    async def _failure(self) -> BenchError:
        assert self._process.stderr is not None, "it is a pipe"
        words = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return BenchError(f"The load generator gave up: {words[-1] if words else 'it says nothing'}.")


@asynccontextmanager
async def driver(orders: Orders, directory: Path) -> AsyncGenerator[Driver]:
    """Start the generator with these orders; end it."""
    written, diary = directory / "orders.json", directory / "diary.json"
    written.write_bytes(msgspec.json.encode(orders))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.bench.generator",
        str(written),
        str(diary),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=dies_with_this_process(signal.SIGKILL),
    )
    try:
        yield Driver(process, diary)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
