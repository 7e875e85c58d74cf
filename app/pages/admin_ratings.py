"""/admin/ratings: what visitors thought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app import clock
from app.errors import Invalid
from app.identity.access import SupervisorOnPage
from app.identity.agents import all_agents
from app.identity.sites import all_sites
from app.infra.work import RequestWork
from app.pages.day_chart import day_chart
from app.pages.templates import page
from app.reports.dictionary import METRICS
from app.reports.ratings import Filter, ratings

router = APIRouter(prefix="/admin/ratings")

DAYS = 30


@dataclass(frozen=True, slots=True)
class Given:
    """The filter as it stands in its form."""

    first: str
    last: str
    site_id: UUID | None
    agent_id: UUID | None


@router.get("")
async def get_ratings(request: Request, agent: SupervisorOnPage, work: RequestWork) -> Response:
    """Show satisfaction, response rate and comments for a period, a site and an agent."""
    asked = request.query_params
    today = clock.now().date()
    given = Given(
        first=asked.get("from") or (today - timedelta(days=DAYS - 1)).isoformat(),
        last=asked.get("to") or today.isoformat(),
        site_id=_id(asked.get("site")),
        agent_id=_id(asked.get("agent")),
    )
    found, error = None, None
    try:
        chosen = Filter(_day(given.first), _day(given.last), given.site_id, given.agent_id)
        found = await ratings(work.session, chosen)
    except Invalid as wrong:
        error = wrong
    return page(
        "ratings.html",
        request,
        status=422 if error else 200,
        agent=agent,
        given=given,
        found=found,
        most_of_one=max((count for _, count in found.scores), default=0) if found else 0,
        chart=day_chart(found.by_day) if found else None,
        sites=await all_sites(work.session),
        agents=await all_agents(work.session),
        metrics=METRICS,
        error=error,
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("A day like 2026-11-22, please.", field="from") from None
    if not 2000 <= day.year <= 9000:
        raise Invalid("That day is too far away.", field="from")
    return day


def _id(text: str | None) -> UUID | None:
    """Return the id of a filter; what cannot be one filters nothing, as an old link may hold it."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
