"""Settings that are allowed but can hardly be meant: what an admin is told where they are made. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.identity.models import Agent, Site, Team

OFFLINE = "its visitors are asked to leave a message"
_LANGUAGE = re.compile("[a-z]{2,3}")


def about_agent(agent: Agent) -> list[str]:
    """Return what is odd about an agent."""
    if agent.active and agent.capacity == 0:
        return ["Chats at once is 0: they never get a chat."]
    return []


def about_team(team: Team, members: Sequence[Agent], takes_over: Sequence[Agent]) -> list[str]:
    """Return what is odd about a team.

    Args:
        members: its agents, active or not.
        takes_over: those of the team that it overflows to.
    """
    found: list[str] = []
    active = [agent for agent in members if agent.active]
    elsewhere = team.overflow_team_id is not None
    where = "all its visitors wait for the team that takes over" if elsewhere else OFFLINE
    if not active:
        found.append(f"Nobody is in this team: {where}.")
    elif all(agent.capacity == 0 for agent in active):
        found.append("Nobody in this team may have a chat (chats at once is 0): its visitors would wait for ever.")
    elif team.share is not None and team.share > max(agent.capacity for agent in active):
        found.append(f"At most {team.share} chats of this team an agent, but nobody takes that many at once.")
    if elsewhere and not any(agent.active for agent in takes_over):
        found.append("Nobody is in the team that takes over: chats never go there.")
    return found


def about_site(site: Site, team: Team | None, members: Sequence[Agent], takes_over: Sequence[Agent]) -> list[str]:
    """Return what is odd about a site.

    Args:
        members: the agents of its team, active or not.
        takes_over: those of the team that its team overflows to.
    """
    found: list[str] = []
    answer = [agent for agent in (*members, *takes_over) if agent.active]
    if not answer:
        found.append(f"Nobody is in the team {team.name if team else ''}: {OFFLINE}.")
    elif site.skills and not any(set(site.skills) <= set(agent.skills) for agent in answer):
        missing = sorted(set(site.skills).difference(*(agent.skills for agent in answer)))
        what = f"Nobody in its team can do {', '.join(missing)}" if missing else "Nobody in its team can do all of this"
        found.append(f"{what}: {OFFLINE}.")
    if site.by_language and answer and not any(_LANGUAGE.fullmatch(each) for agent in answer for each in agent.skills):
        found.append("It goes by the visitor's language, but nobody in its team has a language (like en) as a skill.")
    return found
