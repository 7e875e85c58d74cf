"""`deskbell` as a person starts it: a process with an environment, signals, output and an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.infra.embedded.child import dies_with_this_process
from tests.process_table import children

ROOT = Path(__file__).parents[2]
Deskbell = Callable[..., Awaitable["Command"]]


@dataclass
class Command:
    """One run of the command line; `output` is what it has written so far."""

    process: asyncio.subprocess.Process
    output: str = ""

    async def until(self, words: str, patience: float = 120) -> None:
        """Read on until it has written these words. Fails if it ends, or does not write them in time."""
        assert self.process.stdout is not None
        async with asyncio.timeout(patience):
            while words not in self.output:
                line = await self.process.stdout.readline()
                assert line, f"it ended without {words!r}:\n{self.output}"
                self.output += line.decode()

    async def ended(self, patience: float = 90) -> int:
        """Its exit code once it has ended. Fails with what it has written if that takes too long."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                while line := await self.process.stdout.readline():
                    self.output += line.decode()
                await self.process.wait()
        except TimeoutError:
            still = children(self.process.pid)
            raise AssertionError(f"it did not end; below it are {still}:\n{self.output}") from None
        assert self.process.returncode is not None
        return self.process.returncode

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
async def deskbell() -> AsyncIterator[Deskbell]:
    """Start a command: `await deskbell("serve", DESKBELL_PORT="9001")`; `before` are words to put before it."""
    started: list[Command] = []

    async def start(*words: str, before: tuple[str, ...] = (), **environment: str) -> Command:
        process = await asyncio.create_subprocess_exec(
            *before,
            *(() if before else (sys.executable, "-m", "app.cli")),
            *words,
            cwd=ROOT,
            env=plain_environment(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=_as_from_a_terminal(dies_with_this_process(signal.SIGKILL)),
        )
        started.append(Command(process))
        return started[-1]

    yield start
    for command in started:
        if command.process.returncode is None:
            command.process.kill()
            await command.process.communicate()


def _as_from_a_terminal(before: Callable[[], None]) -> Callable[[], None]:
    """What a child calls before exec: a shell lets its background jobs ignore interrupts, and they pass that on."""

    def prepare() -> None:
        before()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return prepare


def plain_environment(added: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its settings of Deskbell, with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DESKBELL_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **added}
