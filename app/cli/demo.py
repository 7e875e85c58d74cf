"""`deskbell demo`"""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import func, select, update

from app import clock
from app.canned.models import CannedReply
from app.canned.starters import add_shop_replies
from app.cli.demo_history import Desk, write_history
from app.cli.ending import fail
from app.cli.first_run import first_run, sign_in_lines
from app.cli.offline_work import offline_work
from app.cli.servers import run_with_servers
from app.errors import DeskbellError, NotFound
from app.identity.agents import AgentDetails, agent_by_email, checked_password, create_agent
from app.identity.first_run import DEMO_ACCENT, DEMO_SITE_KEY, DEMO_SITE_NAME
from app.identity.models import Agent, Site, Team
from app.identity.origins import own_origins
from app.identity.permissions import Role
from app.identity.sites import SiteDetails, create_site, site_by_key
from app.identity.teams import create_team
from app.ids import AgentId, SiteId, TeamId
from app.infra.passwords import hash_password, readable_password
from app.infra.schema import upgrade
from app.infra.work import Work
from app.settings import Settings

PEOPLE = (
    ("ana", "Ana Sousa", Role.AGENT, 4),
    ("ben", "Ben Okafor", Role.AGENT, 3),
    ("mei", "Mei Tanaka", Role.SUPERVISOR, 4),
    ("ada", "Ada Lindqvist", Role.ADMIN, 2),
)
"""Name before the @, name, role, chats at once."""


class AlreadyThere(Exception):
    """The demo was made before."""


class InUse(Exception):
    """Somebody works at this desk: it has a site of its own."""


def demo(
    password: Annotated[
        str | None, typer.Option(help="For everybody in it; at least 12 characters; a fresh one if not given.")
    ] = None,
    yes: Annotated[bool, typer.Option(help="Also into a desk that has sites of its own.")] = False,
) -> None:
    """Fill a sample shop: teams, agents, canned replies and a month of chats with ratings."""

    async def work(settings: Settings) -> None:
        chosen = password or readable_password()
        try:
            checked_password(chosen)
            await upgrade(settings.database_url)
            first = await first_run(settings)
            async with offline_work(settings.database_url) as units, units.begin() as unit:
                if not yes and await unit.session.scalar(select(Site.id).where(Site.key != DEMO_SITE_KEY).limit(1)):
                    raise InUse
                chats = await _fill(unit, settings.public_url, chosen)
        except AlreadyThere:
            typer.echo("The demo is here already: nothing to do.")
            return
        except InUse:
            raise fail(
                "This desk is in use: it has sites of its own. The sample shop's people and chats would stand among "
                "yours. Say --yes if you want that, or try it in an empty directory."
            ) from None
        except DeskbellError as error:
            raise fail(error.message) from None
        typer.echo(f"The sample shop has {chats} chats behind it: {settings.public_url}/demo")
        for start, name, role, _ in PEOPLE:
            typer.echo(f"  {_address(start):<22} {name}, {role.value}")
        typer.echo(f"  Password of all four: {chosen}")
        if first is not None:
            typer.echo("\n".join(["", *sign_in_lines(first)]))

    run_with_servers(work)


async def _fill(work: Work, public_url: str, password: str) -> int:
    if await agent_by_email(work.session, _address(PEOPLE[0][0])) is not None:
        raise AlreadyThere
    site = await _shop(work, public_url)
    team_id = TeamId(site.team_id)
    workshop = await create_team(work, "Workshop")
    hashed = await hash_password(password)
    agents: list[Agent] = []
    for start, name, role, capacity in PEOPLE:
        teams = frozenset({team_id, TeamId(workshop.id)} if start in {"mei", "ada"} else {team_id})
        details = AgentDetails(_address(start), name, role, capacity, teams)
        agents.append(await create_agent(work, Role.OWNER, details, hashed))
    add_shop_replies(work.session, AgentId(agents[-1].id), team_id)
    await work.session.flush()
    await work.session.execute(update(CannedReply).values(used_count=func.length(CannedReply.body) % 41))
    return await write_history(work, Desk(SiteId(site.id), team_id, tuple(agents[:3])), clock.now())


async def _shop(work: Work, public_url: str) -> Site:
    try:
        return await site_by_key(work.session, DEMO_SITE_KEY)
    except NotFound:
        team = await work.session.scalar(select(Team).order_by(Team.created_at).limit(1))
        team = team or await create_team(work, "Support")
        details = SiteDetails(DEMO_SITE_NAME, TeamId(team.id), sorted(own_origins(public_url)), accent=DEMO_ACCENT)
        return await create_site(work, details, key=DEMO_SITE_KEY)


def _address(start: str) -> str:
    return f"{start}@kiln.example"
