"""What a new Deskbell begins with: somebody who can sign in, a team, and a site that works at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text

from app.identity.agents import AgentDetails, checked_password, create_agent
from app.identity.models import Agent
from app.identity.origins import own_origins
from app.identity.permissions import Role
from app.identity.sites import SiteDetails, create_site
from app.identity.teams import create_team
from app.ids import AgentId, SiteId, TeamId
from app.infra.passwords import hash_password, readable_password
from app.infra.work import Work, WorkUnits

OWNER_EMAIL = "owner@deskbell.local"
DEMO_SITE_KEY = "s_demo"
DEMO_SITE_NAME = "Kiln & Leaf"
DEMO_ACCENT = "#9c4425"
_LOCK = 0x6465736B_62656C6C
"""The advisory lock of first runs: "deskbell" in ASCII."""


@dataclass(frozen=True, slots=True)
class FirstSignIn:
    """What was made, and what to sign in with. The password is nowhere else: show it once."""

    email: str
    password: str
    agent_id: AgentId
    team_id: TeamId
    site_id: SiteId


async def ensure_first_run(
    units: WorkUnits,
    public_url: str,
    *,
    email: str = OWNER_EMAIL,
    name: str = "Owner",
    password: str | None = None,
) -> FirstSignIn | None:
    """Make the first owner, team and site if there is nobody yet.

    Args:
        units: of a migrated database.
        public_url: Deskbell's own address; the demo shop lives there.
        email, name: the owner's.
        password: theirs; a fresh readable one if None.

    Returns:
        What to sign in with, or None if somebody is there already. However many processes ask at once, one makes it.

    Raises:
        Invalid: the e-mail address, name or password will not do.
    """
    if password is not None:
        checked_password(password)
    async with units.begin() as work:
        await work.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if await work.session.scalar(select(func.count()).select_from(Agent)):
            return None
        return await _begin(work, public_url, email, name, password or readable_password())


async def _begin(work: Work, public_url: str, email: str, name: str, password: str) -> FirstSignIn:
    team = await create_team(work, "Support")
    team_id = TeamId(team.id)
    details = AgentDetails(email=email, name=name, role=Role.OWNER, team_ids=frozenset({team_id}))
    owner = await create_agent(work, Role.OWNER, details, await hash_password(password))
    site = await create_site(
        work,
        SiteDetails(
            name=DEMO_SITE_NAME,
            team_id=team_id,
            origins=sorted(own_origins(public_url)),
            greeting="Hello! Ask us anything about pots, tea or your order.",
            accent=DEMO_ACCENT,
        ),
        key=DEMO_SITE_KEY,
    )
    return FirstSignIn(owner.email, password, AgentId(owner.id), team_id, SiteId(site.id))
