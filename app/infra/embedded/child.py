"""A server as a foreground child that cannot outlive this process.

The child gets a session of its own, so that a Ctrl-C in the terminal reaches only
Deskbell, which then stops things in order. If Deskbell dies, even by SIGKILL, the
kernel sends the child a signal (on Linux; elsewhere the next start ends it).
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from app.infra.embedded.account import Account

PR_SET_PDEATHSIG = 1
LONGEST_LOG = 5_000_000
"""Bytes."""
POLL = 0.02
"""Seconds between two looks at a child that starts or stops."""


class Child:
    """One running server process. Start it from the main thread.

    (The kernel's signal comes when the thread that started the child ends.)
    """

    def __init__(
        self,
        arguments: list[str],
        *,
        account: Account,
        directory: Path,
        log: Path,
        stop_signal: signal.Signals,
    ) -> None:
        self._stop_signal = stop_signal
        with _opened(log) as output:
            self.process = subprocess.Popen(
                arguments,
                cwd=directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=0o077,
                # Runs after the user has changed: that change would clear the signal.
                preexec_fn=dies_with_this_process(stop_signal),
                **account.credentials(),
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.poll() is None

    async def stop(self, patience: float) -> None:
        """Ask the server to end; after `patience` seconds, make it. Returns when it has ended."""
        if self.is_alive():
            self.process.send_signal(self._stop_signal)
            if not await self.ended(patience):
                self.process.kill()
                await self.ended(patience)

    async def ended(self, patience: float) -> bool:
        """Whether the server ends within `patience` seconds."""
        deadline = monotonic() + patience
        while self.is_alive():
            if monotonic() > deadline:
                return False
            await asyncio.sleep(POLL)
        return True


def dies_with_this_process(death_signal: signal.Signals) -> Callable[[], None]:
    """What a child calls between fork and exec to be sent `death_signal` when its parent dies."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            # The parent died before the kernel was asked.
            os._exit(1)

    return ask


def _opened(log: Path) -> BinaryIO:
    """The log to append to; a long one is put aside first, and only one such is kept."""
    if log.exists() and log.stat().st_size > LONGEST_LOG:
        log.replace(log.with_suffix(".old"))
    return log.open("ab")
