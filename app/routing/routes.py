"""The JSON routes of routing, for agents."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text

from app import clock
from app.identity.access import SignedIn
from app.identity.teams import all_teams
from app.infra.work import RequestWork
from app.routing.availability import ELIGIBLE, takes
from app.routing.schemas import Colleagues, ColleagueView, TeamView

router = APIRouter()

_AGENTS = text(
    f"""
SELECT a.id, a.name, {ELIGIBLE} AS takes_chats, a.load < a.capacity AS room
FROM agent a WHERE a.active AND a.id <> :agent
ORDER BY {ELIGIBLE} AND a.load < a.capacity DESC, {ELIGIBLE} DESC, lower(a.name), a.id
"""
)


@router.get("/api/colleagues")
async def get_colleagues(agent: SignedIn, work: RequestWork) -> Colleagues:
    """Whom a conversation can be passed to: those with room first."""
    people = await work.session.execute(_AGENTS, {"agent": agent.id})
    teams = await all_teams(work.session)
    now = clock.now()
    return Colleagues(
        agents=[
            ColleagueView(id=str(row.id), name=row.name, takes_chats=row.takes_chats, room=row.room) for row in people
        ],
        teams=[
            TeamView(id=str(team.id), name=team.name, available=await takes(work.session, team.id, now))
            for team in teams
        ],
    )
