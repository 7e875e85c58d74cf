"""One live process a data directory."""

import fcntl
import os
from pathlib import Path

from app.infra.embedded.failure import EmbeddedError

NAME = "lock"


class DataDirLock:
    """Held from `take` to `release`, or until this process ends, however it ends.

    The children do not inherit it: the kernel frees it with this process.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def take(self) -> None:
        """Raises EmbeddedError if another process holds the directory."""
        handle = os.open(self._data_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise EmbeddedError(
                f"The data directory {self._data_dir} is in use by process {holder}: stop that "
                "one, or set DESKBELL_DATA_DIR to another directory."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let others have the directory. Without effect if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_held(data_dir: Path) -> bool:
    """Whether some live process, this one included, holds the data directory."""
    try:
        handle = os.open(data_dir / NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
