"""A real `deskbell worker`, to start, kill and start again in a journey."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from app.infra.embedded.child import dies_with_this_process
from app.settings import Settings

READY_PATIENCE = 90.0
STOP_PATIENCE = 60.0


class ServerProcess:
    """One server process on one port. `url` is where it serves; `log` is all that it has written.

    Args:
        settings: complete.
        log_file: what it writes is added there.
        command: the words after `python`.
    """

    def __init__(
        self, settings: Settings, log_file: Path, command: Sequence[str] = ("-m", "app.cli.server_process")
    ) -> None:
        self.settings = settings
        self._command = command
        self.url = f"http://127.0.0.1:{settings.port}"
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self.patience_s = READY_PATIENCE

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was never started"
        return self._process.pid

    async def start(self) -> None:
        """Return once GET /readyz answers 200. Fails with the log if the process ends or takes too long."""
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                env=_environment(self.settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_this_process(signal.SIGKILL),
            )
        deadline = monotonic() + self.patience_s
        while not await is_ready(self.settings.port):
            assert self._process.returncode is None, f"the server process ended:\n{self.log}"
            assert monotonic() < deadline, f"the server process is not ready:\n{self.log}"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL: as a crash, with no word to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, as a deploy does it. Fails if the process does not end by itself."""
        await self._end(signal.SIGTERM)

    async def restart(self) -> None:
        """Kill it, if it still runs, and start it again on the same port."""
        await self.kill()
        await self.start()

    def send(self, number: signal.Signals) -> None:
        """Any other signal: SIGSTOP and SIGCONT make it sleep and wake."""
        os.kill(self.pid, number)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(number)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"the server process did not end on {number.name}:\n{self.log}") from None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def is_ready(port: int) -> bool:
    """Whether a server process on this port says that it can serve."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b" 200 " in await asyncio.wait_for(reader.readline(), 5)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


def _environment(settings: Settings) -> dict[str, str]:
    """This process's environment with these settings, and no other of Deskbell's."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DESKBELL_")}
    return {**others, **settings.environment()}
