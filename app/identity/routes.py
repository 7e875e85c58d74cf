"""The JSON routes of identity."""

from __future__ import annotations

from fastapi import APIRouter

from app import clock
from app.identity.access import SignedIn
from app.identity.schemas import Nothing, Ticket
from app.identity.tokens import issue_ticket
from app.infra.work import RequestWork

router = APIRouter()


@router.post("/api/ticket")
async def post_ticket(agent: SignedIn, work: RequestWork, body: Nothing) -> Ticket:
    """Give a signed-in agent a single-use key to the socket."""
    ticket, expires_at = await issue_ticket(work.session, agent.session_id, clock.now())
    return Ticket(ticket=ticket, expires_at=clock.to_ms(expires_at))
