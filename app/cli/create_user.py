"""`deskbell create-user`"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ending import fail
from app.cli.offline_work import offline_work
from app.cli.servers import run_with_servers
from app.errors import DeskbellError, Invalid
from app.identity.agents import AgentDetails, checked_password, create_agent
from app.identity.permissions import Role
from app.identity.teams import all_teams
from app.ids import TeamId
from app.infra.passwords import hash_password, readable_password
from app.infra.work import Work
from app.settings import Settings


def create_user(
    email: Annotated[str, typer.Argument(help="For signing in.")],
    name: Annotated[str, typer.Option(help="As visitors see it.", prompt=True)],
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.AGENT,
    team: Annotated[list[str] | None, typer.Option(help="A team's name; may be given several times.")] = None,
    password: Annotated[str | None, typer.Option(help="At least 12 characters; a fresh one if not given.")] = None,
) -> None:
    """Create an agent, supervisor, admin or owner."""

    async def work(settings: Settings) -> None:
        chosen = password or readable_password()
        try:
            async with offline_work(settings.database_url) as units, units.begin() as unit:
                details = AgentDetails(email=email, name=name, role=role, team_ids=await _teams(unit, team or []))
                await create_agent(unit, Role.OWNER, details, await hash_password(checked_password(chosen)))
        except DeskbellError as error:
            raise fail(f"{error.field or 'user'}: {error.message}") from None
        typer.echo(f"{name} can sign in as {email}.")
        if password is None:
            typer.echo(f"Password (shown only this once): {chosen}")

    run_with_servers(work)


async def _teams(work: Work, names: list[str]) -> frozenset[TeamId]:
    known = {team.name.lower(): TeamId(team.id) for team in await all_teams(work.session)}
    missing = [name for name in names if name.lower() not in known]
    if missing:
        raise Invalid(f"There is no team called {missing[0]!r}.", field="team")
    return frozenset(known[name.lower()] for name in names)
