"""The embedded PostgreSQL: made once, then run as a child; sockets only, peer authentication."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from time import monotonic
from urllib.parse import quote

import asyncpg

from app.infra.embedded.account import Account
from app.infra.embedded.binaries import find_postgres
from app.infra.embedded.child import POLL, Child
from app.infra.embedded.failure import EmbeddedError
from app.infra.embedded.orphan import wait_for_orphan
from app.infra.embedded.places import Places, reachable_postgres

NAME = "deskbell"
"""Of the database and of the role that owns the cluster."""
FAST_SHUTDOWN = signal.SIGINT
"""SIGTERM would wait for the clients to leave."""
START_PATIENCE = 120.0
"""Seconds to be ready in: recovery after a crash takes a while."""
STOP_PATIENCE = 60.0
ATTEMPTS = 6
"""Starts in a row: the backends of a killed server take a moment to go."""
OPTIONS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "max_connections": "200",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
}


class EmbeddedPostgres:
    """The PostgreSQL of one data directory."""

    def __init__(self, places: Places, account: Account) -> None:
        found = find_postgres()
        self._places = places
        self._account = account
        self._binaries = reachable_postgres(found, account)
        self._major = found.major
        self._cluster = places.home / f"pg-{found.major}"
        self._child: Child | None = None
        self.url = f"postgresql+asyncpg://{NAME}@/{NAME}?host={quote(str(places.sockets), safe='/')}"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    async def start(self) -> None:
        """Make the cluster if there is none, run it, and return once it answers.

        Raises EmbeddedError with one sentence and the last line of the server's log.
        """
        self._refuse_other_majors()
        if not self._cluster.exists():
            self._initialise()
        await wait_for_orphan(self._cluster / "postmaster.pid", self._cluster, FAST_SHUTDOWN)
        self._write_access_rules()
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(0.5 * attempt)
            self._child = self._spawned()
            if await self._is_ready():
                return
        raise EmbeddedError(f"The embedded PostgreSQL does not start; its log {self._log} ends: {self._last_words()}")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(STOP_PATIENCE)
            self._child = None

    @property
    def _log(self) -> Path:
        return self._places.logs / "postgres.log"

    def _refuse_other_majors(self) -> None:
        others = sorted(path.name for path in self._places.home.glob("pg-[0-9]*[0-9]"))
        if others and self._cluster.name not in others:
            raise EmbeddedError(
                f"{self._places.home / others[-1]} was written by PostgreSQL {others[-1][3:]}, but "
                f"the server here is {self._major}: dump it with the old version and restore it "
                "with the new (docs/operations.md), or set DESKBELL_DATABASE_URL."
            )

    def _initialise(self) -> None:
        """Run initdb beside the final place, so that an interrupted one leaves nothing half made."""
        unfinished = self._cluster.with_suffix(".unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        self._account.own(unfinished)
        done = subprocess.run(
            [
                str(self._binaries / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={NAME}",
                "--auth=peer",
                "--encoding=UTF8",
                "--data-checksums",
                *_locale(self._major),
            ],
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            check=False,
            **self._account.credentials(),
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            lines = [line for line in done.stdout.splitlines() if "error" in line.lower()]
            raise EmbeddedError(
                f"The embedded database could not be made in {self._places.home}: "
                f"{(lines or done.stdout.splitlines() or ['initdb said nothing'])[-1]}"
            )
        unfinished.rename(self._cluster)

    def _write_access_rules(self) -> None:
        """Let in, by their kernel-checked user ids, those who run the server and Deskbell.

        Written at each start: the directory may have moved to another user.
        """
        users = {self._account.name} | _names_of(os.geteuid())
        self._write("pg_hba.conf", f"local all {NAME} peer map={NAME}\n")
        self._write("pg_ident.conf", "".join(f'{NAME} "{user}" {NAME}\n' for user in sorted(users)))

    def _write(self, name: str, text: str) -> None:
        path = self._cluster / name
        path.write_text(text, encoding="utf-8")
        if self._account.dropped:
            os.chown(path, self._account.uid, self._account.gid)

    def _spawned(self) -> Child:
        options = OPTIONS | {"unix_socket_directories": str(self._places.sockets)}
        arguments = [str(self._binaries / "postgres"), "-D", str(self._cluster)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        return Child(
            arguments,
            account=self._account,
            directory=self._cluster,
            log=self._log,
            stop_signal=FAST_SHUTDOWN,
        )

    async def _is_ready(self) -> bool:
        """Whether the child serves our database before it ends. Raises EmbeddedError if it takes too long."""
        deadline = monotonic() + START_PATIENCE
        while self.is_alive():
            try:
                await self._ensure_database()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                if monotonic() > deadline:
                    await self.stop()
                    raise EmbeddedError(
                        f"The embedded PostgreSQL is not ready after {START_PATIENCE:.0f} s; "
                        f"its log {self._log} ends: {self._last_words()}"
                    ) from None
                await asyncio.sleep(POLL)
            else:
                return True
        return False

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(host=str(self._places.sockets), user=NAME, database="postgres", timeout=5)
        try:
            found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", NAME)
            if not found:
                await connection.execute(f'CREATE DATABASE "{NAME}"')
        finally:
            await connection.close()

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return lines[-1] if lines else "(nothing)"


def _locale(major: int) -> list[str]:
    """Unicode's lower() and ILIKE, sorted by code point, the same on every machine."""
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _names_of(uid: int) -> set[str]:
    try:
        return {pwd.getpwuid(uid).pw_name}
    except KeyError:
        return set()
