"""What a Deskbell that was killed left behind: a server that is still shutting down."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from time import monotonic

from app.infra.embedded.failure import EmbeddedError

GRACE = 5.0
"""Seconds that a left server gets to end by itself: the kernel has told it to."""
PATIENCE = 60.0
"""Seconds that it then gets to end on our signal."""


async def wait_for_orphan(pid_file: Path, directory: Path, stop_signal: signal.Signals) -> None:
    """Return once no server started earlier works in `directory` any more.

    The caller holds the data directory's lock, so such a server has no master. Raises
    EmbeddedError if it does not end.
    """
    pid = _first_number(pid_file)
    if pid is None:
        return
    started = monotonic()
    signalled = False
    while _works_in(pid, directory):
        waited = monotonic() - started
        if waited > GRACE and not signalled:
            os.kill(pid, stop_signal)
            signalled = True
        if waited > GRACE + PATIENCE:
            raise EmbeddedError(f"Process {pid}, left by an earlier run, still uses {directory}: stop it first.")
        await asyncio.sleep(0.05)
    # Its number may by now be another process's, which the server would take for itself.
    if _is_alive(pid):
        pid_file.unlink(missing_ok=True)


def _first_number(pid_file: Path) -> int | None:
    try:
        return abs(int(pid_file.read_text(encoding="utf-8").split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def _works_in(pid: int, directory: Path) -> bool:
    """Whether that process is a server of this directory, not a later one with its number."""
    if not _is_alive(pid):
        return False
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == directory.resolve()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except PermissionError:
        return False
    command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return str(directory) in command.stdout


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
