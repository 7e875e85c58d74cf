"""One server process at work: uvicorn, set for our sockets, and a stop that sees visitors off."""

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from socket import socket
from types import FrameType

import structlog
import uvicorn

from app.cli.connections import Connections
from app.cli.http_protocol import bounded_http
from app.cli.signals import HAND_OVER
from app.cli.socket_protocol import SocketProtocol
from app.infra.headcount import Headcount, Proxies
from app.main import create_app
from app.settings import Settings

log = structlog.stdlib.get_logger(__name__)

DRAIN = 10.0
"""Seconds that open sockets get to be told and to close."""
GRACE = 3
"""Seconds that running requests get after that."""
LARGEST_FRAME = 65_536
SPARE_FILES = 200
"""Descriptors kept for Postgres, Redis, logs and whatever else a process opens."""


def run_server(settings: Settings, bound: socket, ready_fd: int | None = None) -> None:
    """Serve on this socket until SIGTERM or SIGINT. A byte on `ready_fd` says that requests are taken."""
    app = create_app(settings)
    addresses = Headcount(settings.connections_per_address, Proxies(settings.forwarded_allow_ips))
    among = Connections(min(settings.connections, _open_files() - SPARE_FILES), addresses)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=bounded_http(among),
        ws=SocketProtocol,
        ws_max_size=LARGEST_FRAME,
        # The wire has its own heartbeat; compression costs 40 KiB a connection.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
    )
    DrainingServer(config, app.drain, ready_fd).run(sockets=[bound])


def _open_files() -> int:
    """Let this process open as many files as it may; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class DrainingServer(uvicorn.Server):
    """A server that lets its open sockets leave in order before it closes them.

    `drain`, an attribute of the application, is called on the first signal, while new requests
    are still answered. It returns when all are gone. A second signal cuts it short.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], ready_fd: int | None) -> None:
        super().__init__(config)
        self._drain = drain
        self._ready_fd = ready_fd

    def hand_over(self) -> None:
        """Others share the port and go on: take no new connections from now on, then leave as on SIGTERM.

        (Alone on its port a server goes on answering until the end, if only that it is not ready.)
        """
        for server in self.servers:
            server.close()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn for SIGINT and SIGTERM. (Its own would raise the signal again at the end.)"""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(HAND_OVER, self.hand_over)
        # What was made until now stays. Looking through it each time would stop everybody for a tenth of a second.
        gc.collect()
        gc.freeze()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _say_what_runs)
        if self.started and self._ready_fd is not None:
            os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        draining = asyncio.ensure_future(self._drain())
        deadline = asyncio.get_running_loop().time() + DRAIN
        while not draining.done() and not self.force_exit and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait([draining], timeout=0.1)
        draining.cancel()
        (failure,) = await asyncio.gather(draining, return_exceptions=True)
        if isinstance(failure, Exception):
            log.error("drain_failed", exc_info=failure)
        await super().shutdown(sockets)


def _say_what_runs() -> None:
    """On SIGUSR2: how much is going on here, for somebody who looks for a leak."""
    log.warning("running", tasks=len(asyncio.all_tasks()))
