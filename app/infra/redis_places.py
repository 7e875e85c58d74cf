"""Where Redis is: at one address, at the node of a cluster that owns our keys, or wherever the sentinels say.

All keys and channels share one hash tag (`app.infra.keys`), so at any moment one node serves all of them, in a cluster
too. Who needs a connection asks for that node when the connection is opened, and asks again once something shows that
it is another now. docs/decisions/0011-redis-cluster.md says why.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from app.infra.keys import HASH_TAG

Address = tuple[str, int]
CLUSTER, SENTINEL = "+cluster", "+sentinel"
SENTINEL_PORT = 26379
PATIENCE_S = 2.0
"""For a connection, and for each answer."""


class Elsewhere(RedisConnectionError):
    """This node does not serve our keys any more. It did nothing; the next connection goes to the one that does."""


class Places:
    """Which server to connect to.

    Args:
        url: `redis://`, `rediss://` or `unix://` is one server. `redis+cluster://a:6379,b:6379` names one or more nodes
            of a cluster, `redis+sentinel://a:26379,b:26379/name` sentinels and the name of what they watch; `rediss+…`
            speaks TLS. User, password and query are for every server of Redis; sentinels are asked without.

    Attributes:
        turn: rises whenever what was known is forgotten; a connection of an earlier turn is of no use.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.turn = 0
        self._kind = next((kind for kind in (CLUSTER, SENTINEL) if parts.scheme.endswith(kind)), "")
        self._found: Address | None = None
        self._asking = asyncio.Lock()
        if not self._kind:
            self._options: dict[str, Any] = {**parse_url(url)}
            self._seeds: list[Address] = []
            return
        signature, _, hosts = parts.netloc.rpartition("@")
        default = SENTINEL_PORT if self._kind == SENTINEL else 6379
        self._seeds = [_address(host, default) for host in hosts.split(",") if host]
        self._name = unquote(parts.path.strip("/")) if self._kind == SENTINEL else ""
        if not self._seeds or (self._kind == SENTINEL and not self._name):
            raise ValueError("it names no server, or not what the sentinels watch: redis+sentinel://host:26379/name")
        # The host is filled in for each connection.
        scheme = parts.scheme.removesuffix(self._kind)
        place = f"{signature}@-" if signature else "-"
        self._options = {**parse_url(urlunsplit((scheme, place, "", parts.query, "")))}

    def connection_options(self, **more: Any) -> dict[str, Any]:
        """Return what a pool of connections is made with."""
        options: dict[str, Any] = {**more, **self._options}
        if self._kind:
            secure = issubclass(options.pop("connection_class", Connection), SSLConnection)
            options |= {"connection_class": _SecureRoaming if secure else _Roaming, "places": self}
        return options

    @classmethod
    def named(cls, where: str | Places) -> Places:
        """Return the places that an address names, or these."""
        return cls(where) if isinstance(where, str) else where

    async def find(self) -> Address:
        """Return the server to connect to.

        Raises:
            RedisError, OSError: nobody knows.
        """
        async with self._asking:
            if self._found is None:
                self._found = await self._ask()
            return self._found

    def forget(self, turn: int) -> None:
        """What was known in that turn is not so, or not any more."""
        if turn == self.turn:
            self.turn += 1
            self._found = None

    async def _ask(self) -> Address:
        last: Exception = RedisConnectionError("nobody knows where Redis is")
        for seed in list(self._seeds):
            try:
                found = await (self._owner(seed) if self._kind == CLUSTER else self._master(seed))
            except (RedisError, OSError, TimeoutError) as error:
                last = error
                continue
            # Who answered is asked first the next time.
            self._seeds.remove(seed)
            self._seeds.insert(0, seed)
            return found
        raise last

    async def _owner(self, node: Address) -> Address:
        """Ask a node of the cluster who serves our slot, and whom else to ask another time."""
        options = {name: value for name, value in self._options.items() if name != "db"}
        slot, owner = key_slot(HASH_TAG.encode()), None
        for start, end, *servers in await _answer(node, options, "CLUSTER", "SLOTS"):
            for place, server in enumerate(servers):
                # A node that does not know its own name is the one that we asked.
                address = (bytes(server[0] or b"").decode() or node[0], int(server[1]))
                if address not in self._seeds:
                    self._seeds.append(address)
                if place == 0 and start <= slot <= end:
                    owner = address
        if owner is None:
            raise RedisConnectionError("no node of the cluster serves our keys")
        return owner

    async def _master(self, sentinel: Address) -> Address:
        answer = await _answer(sentinel, {}, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        if not answer:
            raise RedisConnectionError(f"the sentinel watches nothing named {self._name}")
        return bytes(answer[0]).decode(), int(answer[1])


class _Roams:
    """A connection that asks where to go each time it is opened."""

    host: str
    port: int

    def __init__(self, places: Places, **options: Any) -> None:
        super().__init__(**options)
        self._places = places
        self._turn = -1

    async def connect(self) -> None:
        connection: Any = super()
        if self._turn != self._places.turn:
            await connection.disconnect()
        if connection.is_connected:
            return
        self._turn = self._places.turn
        self.host, self.port = await self._places.find()
        try:
            await connection.connect()
        except (RedisError, OSError, TimeoutError):
            self._places.forget(self._turn)
            raise

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        connection: Any = super()
        try:
            return await connection.read_response(*arguments, **options)
        except (MovedError, ReadOnlyError, ClusterDownError, MasterDownError) as error:
            self._places.forget(self._turn)
            await connection.disconnect(nowait=True)
            raise Elsewhere(str(error)) from error
        except (RedisConnectionError, OSError, TimeoutError):
            # It may have died, and another have taken its place.
            self._places.forget(self._turn)
            raise


class _Roaming(_Roams, Connection): ...


class _SecureRoaming(_Roams, SSLConnection): ...


async def _answer(address: Address, options: dict[str, Any], *words: str) -> Any:
    """Ask one server one thing, over a connection of its own."""
    kind = options.get("connection_class", Connection)
    options = {name: value for name, value in options.items() if name != "connection_class"}
    options |= {"host": address[0], "port": address[1], "protocol": 2, "retry": Retry(NoBackoff(), 0)}
    options |= {"socket_connect_timeout": PATIENCE_S, "socket_timeout": PATIENCE_S}
    connection: Any = kind(**options)
    try:
        await connection.connect()
        await connection.send_command(*words)
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)


def _address(host: str, default: int) -> Address:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError(f"{host} is no host")
    return parts.hostname, parts.port or default
