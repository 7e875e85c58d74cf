"""The JSON routes of conversations, for agents."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import text

from app.chat.access import conversation_for_agent
from app.chat.heads import closed_heads, heads_by_id
from app.chat.schemas import AgentRef, ConversationView, EpisodeView, HeadPage, VisitorView
from app.clock import from_ms, maybe_ms, to_ms
from app.contacts.models import Visitor
from app.identity.access import SignedIn
from app.infra.work import RequestWork

router = APIRouter()

_EPISODES = text(
    """
SELECT e.number, e.queued_at, e.assigned_at, e.closed_at, e.outcome, a.id AS agent_id, a.name AS agent_name,
       r.score, r.comment
FROM episode e LEFT JOIN agent a ON a.id = e.agent_id LEFT JOIN rating r ON r.episode_id = e.id
WHERE e.conversation_id = :c ORDER BY e.number DESC LIMIT 50
"""
)


@router.get("/api/conversations")
async def get_conversations(
    agent: SignedIn,
    work: RequestWork,
    state: Annotated[str, Query(pattern="^closed$")] = "closed",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: Annotated[int | None, Query(ge=0, le=2**42)] = None,
) -> HeadPage:
    """The closed conversations of the asking agent's teams, latest first."""
    moment = from_ms(before) if before is not None else None
    heads, more = await closed_heads(work.session, list(agent.team_ids), moment, limit)
    return HeadPage(heads=heads, more=more)


@router.get("/api/conversations/{c}")
async def get_conversation(agent: SignedIn, work: RequestWork, c: UUID) -> ConversationView:
    """One conversation with its visitor and episodes."""
    conversation = await conversation_for_agent(work.session, agent.id, agent.team_ids, c)
    visitor = await work.session.get_one(Visitor, conversation.visitor_id)
    head = (await heads_by_id(work.session, [conversation.id]))[0]
    episodes = await work.session.execute(_EPISODES, {"c": conversation.id})
    return ConversationView(
        head=head,
        visitor=VisitorView(
            id=str(visitor.id),
            name=visitor.name,
            email=visitor.email,
            verified=visitor.verified,
            external_id=visitor.external_id,
            attributes=visitor.attributes,
            first_seen_at=to_ms(visitor.created_at),
            last_seen_at=to_ms(visitor.seen_at),
        ),
        episodes=[
            EpisodeView(
                number=row.number,
                queued_at=to_ms(row.queued_at),
                assigned_at=maybe_ms(row.assigned_at),
                closed_at=maybe_ms(row.closed_at),
                outcome=row.outcome,
                agent=AgentRef(id=str(row.agent_id), name=row.agent_name) if row.agent_id else None,
                score=row.score,
                comment=row.comment,
            )
            for row in episodes
        ],
    )
