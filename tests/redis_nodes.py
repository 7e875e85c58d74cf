"""Real Redis servers of a test's own: a cluster, or one that is watched by sentinels. To be killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from app.infra.embedded.binaries import find_redis
from app.infra.embedded.child import dies_with_this_process
from app.infra.keys import HASH_TAG
from tests.journeys.server_process import free_port
from tests.real_servers import short_directory

SLOTS = 16384
PATIENCE_S = 60.0
NODE_TIMEOUT_MS = 2000
"""After which a silent node is taken for dead."""
SERVICE = "deskbell"


@dataclass
class Node:
    """One server. `bus` is the port on which nodes of a cluster talk."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    bus: int
    known_as: str = ""

    def ask(self, *words: object) -> Any:
        """Give it one command."""
        with Redis(port=self.port, socket_timeout=5) as redis:
            # One by one: else redis-py knows the command, and makes something of its answer.
            return redis.execute_command(*str(words[0]).split(), *words[1:])  # type: ignore[no-untyped-call]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """Three primaries, and replicas of the one that serves Deskbell's keys. `url` names one other node only."""

    primaries: list[Node]
    replicas: list[Node] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{next(node.port for node in self.primaries if node is not self.owner)}"

    @property
    def owner(self) -> Node:
        """The node that serves Deskbell's keys at first."""
        return self.primaries[key_slot(HASH_TAG.encode()) * len(self.primaries) // SLOTS]


@contextmanager
def a_cluster(replicas: int = 0) -> Iterator[Cluster]:
    """Start one; return when all of its nodes agree on it.

    Args:
        replicas: of the node that serves Deskbell's keys.
    """
    with short_directory() as directory, _ended() as started:
        nodes = [_start(directory, started, in_cluster=True) for _ in range(3 + replicas)]
        cluster = Cluster(nodes[:3], nodes[3:])
        for node in nodes:
            node.known_as = node.ask("CLUSTER MYID").decode()
        for number, node in enumerate(cluster.primaries):
            first, after = (-(-SLOTS * n // 3) for n in (number, number + 1))
            node.ask("CLUSTER ADDSLOTSRANGE", first, after - 1)
        for number, node in enumerate(nodes, 1):
            # Else two that begin with the same epoch have to settle that first.
            node.ask("CLUSTER SET-CONFIG-EPOCH", number)
        for node in nodes[1:]:
            node.ask("CLUSTER MEET", "127.0.0.1", nodes[0].port, nodes[0].bus)
        _until(lambda: all(node.ask("CLUSTER NODES").count(b"\n") == len(nodes) for node in nodes), "they meet")
        for replica in cluster.replicas:
            _until(lambda r=replica: _obeys(r, cluster.owner.known_as), "it becomes a replica")
            _until(lambda r=replica: b"master_link_status:up" in _about(r), "it has a copy")
        _until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER INFO") for node in nodes), "they agree")
        yield cluster


@dataclass
class Watched:
    """A primary and a replica, and three sentinels that watch them."""

    primary: Node
    replica: Node
    sentinels: list[Node]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{node.port}' for node in self.sentinels)}/{SERVICE}"


@contextmanager
def a_watched_redis() -> Iterator[Watched]:
    """Start them; return when the sentinels know each other."""
    with short_directory() as directory, _ended() as started:
        primary, replica = (_start(directory, started) for _ in range(2))
        replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        _until(lambda: b"master_link_status:up" in _about(replica), "it has a copy")
        sentinels = [_start(directory, started, sentinel_of=primary.port) for _ in range(3)]
        for sentinel in sentinels:
            _until(lambda s=sentinel: _knows_all(s), "the sentinels know each other")
        yield Watched(primary, replica, sentinels)


def _start(directory: Path, started: list[Node], *, in_cluster: bool = False, sentinel_of: int = 0) -> Node:
    for _ in range(3):
        node = _launched(directory, in_cluster, sentinel_of)
        started.append(node)
        _until(lambda n=node: n.process.poll() is not None or _answers(n), "it starts")
        if node.process.poll() is None:
            return node
    # Somebody may have taken the port in between, but hardly three times.
    raise AssertionError(node.log.read_text() if node.log.exists() else "it ended without a word")


def _launched(directory: Path, in_cluster: bool, sentinel_of: int) -> Node:
    port, bus = free_port(), free_port()
    home = directory / str(port)
    home.mkdir()
    log = home / "log"
    words = [str(find_redis())]
    if sentinel_of:
        file = home / "sentinel.conf"
        file.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {sentinel_of} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {NODE_TIMEOUT_MS}\n"
            f"sentinel failover-timeout {SERVICE} 10000\n"
        )
        words += [str(file), "--sentinel"]
    words += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--logfile", str(log)]
    if not sentinel_of:
        words += ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
    if in_cluster:
        words += ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
        words += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
    process = subprocess.Popen(words, preexec_fn=dies_with_this_process(signal.SIGKILL))
    return Node(port, process, log, bus)


@contextmanager
def _ended() -> Iterator[list[Node]]:
    started: list[Node] = []
    try:
        yield started
    finally:
        for node in started:
            node.process.kill()
            node.process.wait()


def _until(so: Any, what: str) -> None:
    deadline = monotonic() + PATIENCE_S
    while not so():
        assert monotonic() < deadline, f"it never came to be that {what}"
        sleep(0.05)


def _answers(node: Node) -> bool:
    try:
        return bool(node.ask("PING"))
    except (RedisError, OSError):
        return False


def _about(node: Node) -> bytes:
    with Redis(port=node.port) as redis:
        found: Any = redis.info("replication")
        return "\n".join(f"{name}:{value}" for name, value in found.items()).encode()


def _obeys(replica: Node, primary: str) -> bool:
    try:
        replica.ask("CLUSTER REPLICATE", primary)
    except RedisError:
        # It has not heard of it yet.
        return False
    return True


def _knows_all(sentinel: Node) -> bool:
    with Redis(port=sentinel.port) as redis:
        (about,) = redis.sentinel_masters().values()  # type: ignore[union-attr]
        return about["num-other-sentinels"] == 2 and about["num-slaves"] == 1
