"""The answers of the conversations' JSON routes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class HeadPage(BaseModel):
    """Heads of closed conversations, latest first."""

    heads: list[dict[str, Any]]
    more: bool


class AgentRef(BaseModel):
    """An agent, named."""

    id: str
    name: str


class EpisodeView(BaseModel):
    """One episode, with its rating if it has one. Moments in ms."""

    number: int
    queued_at: int
    assigned_at: int | None
    closed_at: int | None
    outcome: str | None
    agent: AgentRef | None
    score: int | None
    comment: str | None


class VisitorView(BaseModel):
    """What is known of a visitor. Moments in ms."""

    id: str
    name: str | None
    email: str | None
    verified: bool
    external_id: str | None
    attributes: dict[str, Any]
    first_seen_at: int
    last_seen_at: int


class ConversationView(BaseModel):
    """A conversation's context, as the console's side panel shows it."""

    head: dict[str, Any]
    visitor: VisitorView
    episodes: list[EpisodeView]
