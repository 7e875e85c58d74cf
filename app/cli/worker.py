"""`deskbell worker`: one server process. `serve` starts several; a test or a container may start one."""

from typing import Annotated

import typer

from app.cli.server_process import serve_here


def worker(
    port: Annotated[int | None, typer.Option(help="Instead of DESKBELL_PORT.")] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one server process against DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL."""
    serve_here({} if port is None else {"port": port}, ready_fd)
