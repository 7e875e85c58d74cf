"""What can have happened to a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.events import Event
from app.ids import AgentId, ConversationId, TeamId, VisitorId


@dataclass(frozen=True, slots=True)
class LineAppended(Event):
    """A state change (or a message written with one) got its number in a lane."""

    conversation_id: ConversationId
    lane: int
    seq: int
    kind: str
    m: UUID
    sender_kind: str
    sender_id: UUID
    sender_name: str | None
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConversationQueued(Event):
    """A conversation waits, for the first time or again at its old score; or others may have it now."""

    conversation_id: ConversationId
    team_id: TeamId


@dataclass(frozen=True, slots=True)
class ConversationUnqueued(Event):
    """A conversation waits no more in a lane."""

    conversation_id: ConversationId
    team_id: TeamId
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationChanged(Event):
    """State, owner or marks of a conversation changed; whoever lists it should see its new head.

    `lane` is where it waits, or would: its team and skills.
    """

    conversation_id: ConversationId
    team_id: TeamId
    visitor_id: VisitorId
    gen: int
    state: str
    agents: tuple[AgentId, ...] = ()
    lane: str = ""


@dataclass(frozen=True, slots=True)
class OfferWithdrawn(Event):
    """An offer is off."""

    conversation_id: ConversationId
    agent_id: AgentId
    gen: int
    reason: str
