"""`deskbell serve`: all of Deskbell on one machine, until it is told to stop."""

import asyncio
import signal
from typing import Annotated

import typer

from app.cli.config import unknown_variables
from app.cli.ending import WRONG_SETTING, fail, settings_or_exit
from app.cli.first_run import first_run, sign_in_lines
from app.cli.listening import PortError, require_free_port
from app.cli.servers import own_servers
from app.cli.stopping import StopRequest
from app.cli.worker_processes import WorkerError, WorkerProcesses
from app.errors import DeskbellError
from app.identity.first_run import FirstSignIn
from app.infra.embedded import EmbeddedError, EmbeddedServers
from app.infra.examination import examine_redis
from app.infra.logs import configure_logs
from app.settings import Settings, SettingsError


class MigrationError(Exception):
    """The schema could not be brought up to date."""


def serve(
    until_parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this process ends.")] = None,
) -> None:
    """Start Postgres and Redis (unless their addresses are set), migrate, and serve."""
    settings = settings_or_exit()
    configure_logs(settings.log_level, settings.log_format)
    for name in unknown_variables():
        typer.echo(f"{name} is set, but Deskbell has no such setting.", err=True)
    try:
        require_free_port(settings)
        asyncio.run(_serve(settings, until_parent))
    except (PortError, SettingsError) as error:
        raise fail(str(error), WRONG_SETTING) from None
    except (EmbeddedError, MigrationError, WorkerError, DeskbellError) as error:
        raise fail(str(error)) from None


async def _serve(settings: Settings, parent: int | None) -> None:
    stop, replacing = StopRequest(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, replacing.set)
    watching = asyncio.ensure_future(stop.watch(parent)) if parent else None
    running = asyncio.ensure_future(_run(settings, stop, replacing))
    asked = asyncio.ensure_future(stop.asked.wait())
    # A stop that comes while things still start cancels the start; `_run` cleans up after itself.
    await asyncio.wait([running, asked], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    asked.cancel()
    if watching is not None:
        watching.cancel()
    try:
        await running
    except asyncio.CancelledError:
        typer.echo("Deskbell has stopped.")


async def _run(settings: Settings, stop: StopRequest, replacing: asyncio.Event) -> None:
    """Serve until cancelled."""
    async with own_servers(settings) as (complete, servers):
        await _migrate(complete)
        first = await first_run(complete)
        workers = WorkerProcesses(complete)
        try:
            await _started(workers, first)
            typer.echo(_welcome(complete, first))
            await _watch(complete, workers, servers, replacing)
        finally:
            await workers.stop(stop.hurry)


async def _started(workers: WorkerProcesses, first: FirstSignIn | None) -> None:
    try:
        await workers.start()
    except BaseException:
        if first is not None:
            # This password is told once, and the account is there whatever became of this start.
            typer.echo("\n".join(sign_in_lines(first)))
        raise


async def _migrate(settings: Settings) -> None:
    # Here, so that the other commands start without loading alembic.
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    from app.infra.schema import upgrade

    try:
        await upgrade(settings.database_url)
    except (OSError, asyncpg.PostgresError, SQLAlchemyError) as error:
        raise MigrationError(f"The database cannot be reached or migrated: {_first_line(error)}.") from error


async def _watch(
    settings: Settings, workers: WorkerProcesses, servers: EmbeddedServers | None, replacing: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_warn_of_redis(settings.redis_url))
        tasks.create_task(workers.watch())
        tasks.create_task(_replace_whenever(replacing, workers))
        if servers is not None:
            tasks.create_task(servers.watch())


async def _warn_of_redis(url: str) -> None:
    """Say what is wrong with Redis, if anything is; Deskbell works without it, only less well."""
    async for finding in examine_redis(url):
        if not finding.fit:
            typer.echo(f"deskbell: {finding.text}", err=True)


async def _replace_whenever(asked: asyncio.Event, workers: WorkerProcesses) -> None:
    """On each SIGUSR2 replace the server processes, one after another; their visitors move over."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            await workers.replace()
        except WorkerError as error:
            typer.echo(f"{error} The old ones go on.", err=True)
        else:
            typer.echo("All server processes were replaced.")


def _welcome(settings: Settings, first: FirstSignIn | None) -> str:
    pages = {"Demo shop": "/demo", "Console": "/console", "Admin": "/admin"}
    lines = [f"  {name:<10} {settings.public_url}{path}" for name, path in pages.items()]
    if first is not None:
        lines += ["", *sign_in_lines(first)]
    return "\n".join(["", "Deskbell is ready. Ctrl-C stops it.", "", *lines, ""])


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
