"""`deskbell migrate`"""

import typer

from app.cli.servers import run_with_servers
from app.settings import Settings


def migrate() -> None:
    """Bring the database's schema up to date. `serve` does this by itself."""
    run_with_servers(_migrate)


async def _migrate(settings: Settings) -> None:
    # Here, so that the other commands start without loading alembic.
    from app.infra.schema import schema_state, upgrade

    before = await schema_state(settings.database_url)
    await upgrade(settings.database_url)
    after = await schema_state(settings.database_url)
    if before.current == after.current:
        typer.echo(f"The database is at revision {after.current} already.")
    else:
        typer.echo(f"The database went from revision {before.current or 'none'} to {after.current}.")
