"""What can happen in routing, told after the commit."""

from __future__ import annotations

from dataclasses import dataclass

from app.events import Event
from app.ids import AgentId, ConversationId


@dataclass(frozen=True, slots=True)
class OfferMade(Event):
    """A conversation was put before an agent, who has `ttl_ms` to take it. `mode`: direct or offer."""

    conversation_id: ConversationId
    agent_id: AgentId
    gen: int
    mode: str
    ttl_ms: int
