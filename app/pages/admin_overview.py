"""/admin: the day so far."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app import clock
from app.identity.access import OnPage
from app.identity.permissions import May
from app.infra.work import RequestWork
from app.pages.templates import page
from app.reports.announced_waits import announced_waits
from app.reports.dictionary import METRICS
from app.reports.today import today

router = APIRouter()


@router.get("/admin")
async def get_overview(request: Request, agent: OnPage, work: RequestWork) -> Response:
    """Show today's numbers; those who may not see them have their replies to look after."""
    if not agent.may(May.READ_RATINGS):
        return RedirectResponse("/admin/canned", 303)
    found = await today(work.session, clock.now())
    waits = await announced_waits(work.session, clock.now())
    here = sum(each.online for each in found.agents)
    return page("overview.html", request, agent=agent, today=found, waits=waits, here=here, metrics=METRICS)
