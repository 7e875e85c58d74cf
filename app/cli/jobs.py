"""`deskbell jobs`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from app.cli.ending import fail
from app.cli.offline_work import offline_work
from app.cli.servers import run_with_servers
from app.infra.jobs import queue
from app.settings import Settings

jobs = typer.Typer(help="Mail and other work that happens later: what waits, what has failed.", no_args_is_help=True)
MOST = 200


@jobs.command("list")
def list_jobs(
    every: Annotated[bool, typer.Option("--all", help="Also what was done in the last week.")] = False,
) -> None:
    """Show failed and waiting jobs."""

    async def work(settings: Settings) -> None:
        states = ["failed", "queued", *(["done"] if every else [])]
        async with offline_work(settings.database_url) as units, units.begin() as unit:
            found = await queue.listed(unit.session, states, MOST)
            counts = await queue.counts(unit.session)
        for job in found:
            state = "running" if job.running else job.state
            when = f"{job.due_at:%Y-%m-%d %H:%M:%S}"
            typer.echo(f"{job.id}  {state:<7}  {when}  {job.attempts:>2}  {job.kind}  {job.error or ''}".rstrip())
        typer.echo(f"{counts.failed} failed, {counts.queued} waiting or running.")

    run_with_servers(work)


@jobs.command("retry")
def retry_jobs(
    ids: Annotated[list[UUID] | None, typer.Argument(help="Of failed jobs, as `jobs list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that have failed.")] = False,
) -> None:
    """Queue failed jobs again."""
    if bool(ids) == every:
        raise fail("name some jobs, or say --all.")

    async def work(settings: Settings) -> int:
        async with offline_work(settings.database_url) as units, units.begin() as unit:
            queued = await queue.retry(unit.session, None if every else ids)
        typer.echo(f"{queued} jobs are queued again.")
        return 0 if queued or every else 1

    run_with_servers(work)
