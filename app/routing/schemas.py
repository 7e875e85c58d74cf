"""The answers of routing's JSON routes."""

from __future__ import annotations

from pydantic import BaseModel


class ColleagueView(BaseModel):
    """Somebody a conversation can be passed to, if they take chats and have room."""

    id: str
    name: str
    takes_chats: bool
    room: bool


class TeamView(BaseModel):
    """A team; `available`: it is open, and somebody takes chats there."""

    id: str
    name: str
    available: bool


class Colleagues(BaseModel):
    """Whom the asking agent can pass a conversation to."""

    agents: list[ColleagueView]
    teams: list[TeamView]
