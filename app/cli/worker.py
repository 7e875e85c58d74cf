"""`deskbell worker`: one server process. `serve` starts several; a test or a container may start one."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from socket import socket
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from app.cli.ending import WRONG_SETTING, fail, settings_or_exit
from app.cli.http_protocol import BoundedHeadProtocol
from app.cli.listening import PortError, listening_socket
from app.infra.logs import configure_logs
from app.settings import Settings, SettingsError

DRAIN = 10.0
"""Seconds that open sockets get to be told and to close."""
GRACE = 3
"""Seconds that running requests get after that."""
LARGEST_FRAME = 65_536
LARGEST_HEAD = 32_768
"""Bytes of a request's line and headers."""


def worker(
    port: Annotated[int | None, typer.Option(help="Instead of DESKBELL_PORT.")] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one server process against DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL."""
    settings = settings_or_exit({} if port is None else {"port": port})
    for name, address in (("DATABASE", settings.database_url), ("REDIS", settings.redis_url)):
        if not address:
            raise fail(f"a single server process needs DESKBELL_{name}_URL; `deskbell serve` does not.", WRONG_SETTING)
    try:
        settings = settings.with_secret_key()
        bound = listening_socket(settings)
    except (SettingsError, PortError) as error:
        raise fail(str(error), WRONG_SETTING) from None
    configure_logs(settings.log_level, settings.log_format)
    run_worker(settings, bound, ready_fd)


def run_worker(settings: Settings, bound: socket, ready_fd: int | None = None) -> None:
    """Serve on this socket until SIGTERM or SIGINT. A byte on `ready_fd` says that requests are taken."""
    # Here, not above: the other commands do without the application.
    from app.main import create_app

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHeadProtocol,
        ws="websockets-sansio",
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
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    DrainingServer(config, getattr(app, "drain", None), ready_fd).run(sockets=[bound])


class DrainingServer(uvicorn.Server):
    """A server that lets its open sockets leave in order before it closes them.

    `drain`, an attribute of the application, is called on the first signal, while new requests
    are still answered. It returns when all are gone. A second signal cuts it short.
    """

    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]] | None, ready_fd: int | None
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._ready_fd = ready_fd

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn for SIGINT and SIGTERM. (Its own would raise the signal again at the end.)"""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready_fd is not None:
            os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        if self._drain is not None:
            draining = asyncio.ensure_future(self._drain())
            deadline = asyncio.get_running_loop().time() + DRAIN
            while not draining.done() and not self.force_exit and asyncio.get_running_loop().time() < deadline:
                await asyncio.wait([draining], timeout=0.1)
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)
        await super().shutdown(sockets)
