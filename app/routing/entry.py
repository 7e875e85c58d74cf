"""Where a visitor who asks for an agent gets in line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.conversations import Entry
from app.chat.models import Conversation
from app.clock import to_ms
from app.errors import Conflict
from app.identity.models import Site
from app.routing.availability import ELIGIBLE, line_for

_LANGUAGE = re.compile(r"[a-z]{2,3}(?=$|[-_])")
_SPOKEN = text(
    """
SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
WHERE tm.team_id = :team AND a.active AND :skill = ANY (a.skills) LIMIT 1
"""
)
# Who served them before, if they take chats of this lane now, with room or not.
_KEEPER = text(
    f"""
SELECT t.sticky_s FROM team t JOIN team_member tm ON tm.team_id = t.id JOIN agent a ON a.id = tm.agent_id
WHERE t.id = :team AND t.strategy <> 'manual' AND a.id = :agent AND a.skills @> CAST(:skills AS text[])
  AND a.capacity > 0 AND {ELIGIBLE}
"""
)


async def entry(
    session: AsyncSession, site: Site, conversation: Conversation, language: str | None, now: datetime
) -> Entry:
    """Return where a visitor's closed conversation gets in line.

    Args:
        language: what the visitor's browser speaks, as in "pt-BR".

    Raises:
        Conflict: `no_agents`: nobody is there for them, or too many wait.
    """
    skills = set(site.skills)
    if site.by_language and (spoken := _LANGUAGE.match((language or "").lower())):
        known = await session.execute(_SPOKEN, {"team": site.team_id, "skill": spoken[0]})
        # A language that nobody speaks would mean waiting for nobody.
        if known.scalar_one_or_none() is not None:
            skills.add(spoken[0])
    team_id, here = await line_for(session, site.team_id, now, sorted(skills))
    if not here.now and skills > set(site.skills):
        # Those who speak it are away: better another language than nobody.
        skills = set(site.skills)
        team_id, here = await line_for(session, site.team_id, now, sorted(skills))
    if not here.now:
        raise Conflict("Nobody is here right now; please leave a message.", code="no_agents")
    place = Entry(team_id, tuple(sorted(skills)), to_ms(now) - site.boost_s * 1000)
    return await _kept(session, place, conversation.last_agent_id, now)


async def _kept(session: AsyncSession, place: Entry, agent_id: UUID | None, now: datetime) -> Entry:
    """Keep a place for the agent whom the visitor had last, for as long as the team wants that."""
    if agent_id is None:
        return place
    found = await session.execute(_KEEPER, {"team": place.team_id, "agent": agent_id, "skills": list(place.skills)})
    sticky_s = found.scalar_one_or_none()
    if sticky_s is None:
        return place
    return Entry(place.team_id, place.skills, place.score, agent_id, now + timedelta(seconds=sticky_s))
