"""What can happen in identity, told after the commit."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.events import Event
from app.ids import AgentId, SiteId, TeamId


@dataclass(frozen=True, slots=True)
class SessionsRevoked(Event):
    """An agent's sessions ended before their time: signed out, password changed, or the agent was switched off."""

    agent_id: AgentId
    session_ids: tuple[UUID, ...]
    switched_off: bool = False


@dataclass(frozen=True, slots=True)
class AgentChanged(Event):
    """An agent's name, role, capacity, teams, `accepting` or `active` changed."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class LoadChanged(Event):
    """An agent has one conversation more, or one less. For those who wait that changes nothing by itself."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class TeamChanged(Event):
    """A team's name, mode or members changed."""

    team_id: TeamId


@dataclass(frozen=True, slots=True)
class SiteChanged(Event):
    """A site's look, origins, team or identity secret changed."""

    site_id: SiteId
