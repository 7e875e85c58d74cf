"""The embedded Redis (or Valkey): one socket, nothing on disk, since all in it can be rebuilt."""

import asyncio
import os
import signal
from time import monotonic
from urllib.parse import quote

from app.infra.embedded.account import Account
from app.infra.embedded.binaries import find_redis
from app.infra.embedded.child import POLL, Child
from app.infra.embedded.failure import EmbeddedError
from app.infra.embedded.orphan import wait_for_orphan
from app.infra.embedded.places import Places, reachable_binary

START_PATIENCE = 20.0
STOP_PATIENCE = 10.0
MEMORY = "512mb"


class EmbeddedRedis:
    """The Redis of one data directory. Its socket lies in a directory that is closed to others."""

    def __init__(self, places: Places, account: Account) -> None:
        self._places = places
        self._account = account
        self._server = reachable_binary(find_redis(), account)
        self._socket = places.sockets / "redis.sock"
        self._pid_file = places.home / "redis.pid"
        self._child: Child | None = None
        self.url = f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    async def start(self) -> None:
        """Run the server and return once it answers. Raises EmbeddedError."""
        await wait_for_orphan(self._pid_file, self._places.redis, signal.SIGTERM)
        # What a killed one left would look like an answer.
        self._socket.unlink(missing_ok=True)
        log = self._places.logs / "redis.log"
        self._child = Child(
            [str(self._server), *self._options()],
            account=self._account,
            directory=self._places.redis,
            log=log,
            stop_signal=signal.SIGTERM,
        )
        self._pid_file.write_text(f"{self._child.pid}\n", encoding="utf-8")
        deadline = monotonic() + START_PATIENCE
        while not await self._answers():
            if not self._child.is_alive() or monotonic() > deadline:
                await self.stop()
                raise EmbeddedError(f"The embedded Redis does not start: see {log}.")
            await asyncio.sleep(POLL)

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(STOP_PATIENCE)
            self._child = None
            self._pid_file.unlink(missing_ok=True)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": os.fspath(self._socket),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "daemonize": "no",
            "dir": os.fspath(self._places.redis),
            "save": "",
            "appendonly": "no",
            "maxmemory": MEMORY,
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(os.fspath(self._socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await asyncio.wait_for(reader.readline(), 2)).startswith(b"+PONG")
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
