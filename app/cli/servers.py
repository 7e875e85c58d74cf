"""Postgres and Redis for one command: those set, those of a running `serve`, or our own for a while."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.cli.ending import WRONG_SETTING, fail, settings_or_exit
from app.infra.embedded import EmbeddedError, EmbeddedServers, running_servers
from app.settings import Settings, SettingsError


@asynccontextmanager
async def own_servers(settings: Settings) -> AsyncGenerator[tuple[Settings, EmbeddedServers | None]]:
    """Start the servers that no setting names, and stop them at the end.

    Gives the settings with both addresses and the secret key filled in, and the servers (None if
    both addresses were set). Raises EmbeddedError, also if another process uses the data directory,
    and SettingsError if no secret key can be kept.
    """
    if settings.database_url and settings.redis_url:
        yield settings.with_secret_key(), None
        return
    servers = EmbeddedServers(settings.data_dir, postgres=not settings.database_url, redis=not settings.redis_url)
    await servers.start()
    try:
        yield _filled_in(settings, servers.database_url, servers.redis_url), servers
    finally:
        await servers.stop()


@asynccontextmanager
async def reached_servers(settings: Settings) -> AsyncGenerator[Settings]:
    """The same for a command beside `serve`: use the servers of one that runs, else start our own."""
    if not (settings.database_url and settings.redis_url):
        running = await running_servers(settings.data_dir)
        if running is not None:
            yield _filled_in(settings, running.database_url, running.redis_url)
            return
    async with own_servers(settings) as (complete, _):
        yield complete


def run_with_servers(work: Callable[[Settings], Awaitable[int | None]]) -> None:
    """Run `work` with complete settings; exit with what it returns, or with one line on failure."""
    settings = settings_or_exit()

    async def entered() -> int:
        async with reached_servers(settings) as complete:
            return await work(complete) or 0

    try:
        code = asyncio.run(entered())
    except EmbeddedError as error:
        raise fail(str(error)) from None
    except SettingsError as error:
        raise fail(str(error), WRONG_SETTING) from None
    if code:
        raise SystemExit(code)


def _filled_in(settings: Settings, database_url: str, redis_url: str) -> Settings:
    return settings.replaced(
        database_url=settings.database_url or database_url,
        redis_url=settings.redis_url or redis_url,
    ).with_secret_key()
