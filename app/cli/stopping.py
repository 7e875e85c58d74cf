"""When to stop: a signal, or the end of the `make` that started this process."""

import asyncio
import os
import signal
from pathlib import Path

LOOK_EVERY = 0.25
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Remembers that this process is to stop, and whether to hurry (a second signal)."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.asked.set()

    async def watch(self, parent: int) -> None:
        """Ask to stop when process `parent`, a make, ends or is interrupted.

        Ctrl-C in a terminal reaches make and this process alike. An interrupt sent to make alone
        does not: make then only waits for us. What it does show is that from then on it no longer
        catches the signal.
        """
        caught = _catches_interrupts(parent)
        while not self.asked.is_set():
            await asyncio.sleep(LOOK_EVERY)
            if not _is_alive(parent) or (caught and not _catches_interrupts(parent)):
                self.asked.set()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _catches_interrupts(pid: int) -> bool:
    """Whether the process has a handler for SIGINT; False where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1)
    return False
