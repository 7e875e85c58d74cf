"""Canned replies as they go out over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class TeamRef(BaseModel):
    """A team by id and name."""

    id: UUID
    name: str


class Reply(BaseModel):
    """A canned reply, as the console's picker needs it."""

    id: UUID
    scope: Literal["personal", "team", "everyone"]
    team: TeamRef | None
    title: str
    shortcut: str
    body: str


class Replies(BaseModel):
    """All canned replies that the asking agent can use."""

    replies: list[Reply]
