"""How a team hands out its chats, as an admin says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid
from app.identity.models import Team
from app.identity.team_bounds import BOUNDS, MODES, STRATEGIES


@dataclass(frozen=True, slots=True)
class HandingOut:
    """The settings of `Team` by the same names; None switches each of them off."""

    strategy: str = "least_busy"
    mode: str = "direct"
    share: int | None = None
    queue_limit: int | None = None
    overflow_team_id: UUID | None = None
    overflow_after_s: int | None = None
    choice_after_s: int | None = None
    sticky_s: int | None = 30


async def set_handing_out(session: AsyncSession, team: Team, wanted: HandingOut) -> bool:
    """Let a stored team hand out its chats like this.

    Returns:
        Whether anything is different now.

    Raises:
        Invalid: a setting is wrong, or it would overflow in a circle; `field` says which.
    """
    if wanted.strategy not in STRATEGIES:
        raise Invalid("Choose one of the list.", field="strategy")
    if wanted.mode not in MODES:
        raise Invalid("Choose one of the list.", field="mode")
    values = asdict(wanted)
    for field, (least, most) in BOUNDS.items():
        if values[field] is not None and not least <= values[field] <= most:
            raise Invalid(f"A number from {least:,} to {most:,}, please, or nothing.", field=field)
    if wanted.overflow_after_s is not None and wanted.overflow_team_id is None:
        raise Invalid("Choose the team that takes over, or leave the seconds empty.", field="overflow_team_id")
    if wanted.overflow_team_id is not None:
        await _check_way(session, team, wanted.overflow_team_id)
    before = {name: getattr(team, name) for name in values}
    for name, value in values.items():
        setattr(team, name, value)
    return before != values


async def _check_way(session: AsyncSession, team: Team, to: UUID) -> None:
    """Follow where chats would overflow to. One after the other: two admins could close a circle together."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("team.overflow"))))
    rows = await session.execute(select(Team.id, Team.overflow_team_id))
    ways: dict[UUID, UUID | None] = {row.id: row.overflow_team_id for row in rows}
    if to not in ways:
        raise Invalid("Choose one of the list.", field="overflow_team_id")
    following: UUID | None = to
    seen: set[UUID] = set()
    while following is not None and following not in seen:
        if following == team.id:
            raise Invalid("Its chats would come back to this team. Choose another one.", field="overflow_team_id")
        seen.add(following)
        following = ways.get(following)
