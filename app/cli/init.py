"""`deskbell init`"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ending import fail
from app.cli.first_run import first_run, sign_in_lines
from app.cli.servers import run_with_servers
from app.errors import DeskbellError
from app.identity.first_run import OWNER_EMAIL
from app.infra.schema import upgrade
from app.settings import Settings


def init(
    email: Annotated[str, typer.Option(help="The first owner's e-mail address.")] = OWNER_EMAIL,
    name: Annotated[str, typer.Option(help="The first owner's name.")] = "Owner",
    password: Annotated[str | None, typer.Option(help="At least 12 characters; a fresh one if not given.")] = None,
) -> None:
    """Migrate, and make the first owner, team and site. `serve` does this by itself."""

    async def work(settings: Settings) -> None:
        await upgrade(settings.database_url)
        try:
            first = await first_run(settings, email=email, name=name, password=password)
        except DeskbellError as error:
            raise fail(error.message) from None
        if first is None:
            typer.echo("There are agents already: nothing to do. `deskbell create-user` adds one.")
        else:
            typer.echo("\n".join(sign_in_lines(first)))

    run_with_servers(work)
