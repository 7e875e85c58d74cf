"""Who may do what: one table. Pure."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is here, from the least to the most."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    OWNER = "owner"


class May(StrEnum):
    """What a role can be allowed."""

    ANSWER = "answer"
    """Take part in conversations of their teams, and keep personal canned replies."""
    EDIT_TEAM_REPLIES = "edit_team_replies"
    """Edit the canned replies of the teams they are in."""
    EDIT_ALL_REPLIES = "edit_all_replies"
    """Edit every team's canned replies and everyone's."""
    READ_RATINGS = "read_ratings"
    STEER_CHATS = "steer_chats"
    """Take over chats of their teams from other agents, and say who gets a waiting one."""
    MANAGE_AGENTS = "manage_agents"
    """Create, change and switch off everybody but owners."""
    MANAGE_OWNERS = "manage_owners"
    MANAGE_TEAMS = "manage_teams"
    MANAGE_SITES = "manage_sites"


_AGENT = frozenset({May.ANSWER})
_SUPERVISOR = _AGENT | {May.EDIT_TEAM_REPLIES, May.READ_RATINGS, May.STEER_CHATS}
_ADMIN = _SUPERVISOR | {May.EDIT_ALL_REPLIES, May.MANAGE_AGENTS, May.MANAGE_TEAMS, May.MANAGE_SITES}
_OWNER = _ADMIN | {May.MANAGE_OWNERS}

TABLE: dict[Role, frozenset[May]] = {
    Role.AGENT: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _OWNER,
}


def may(role: Role, what: May) -> bool:
    """Tell whether a role is allowed something."""
    return what in TABLE[role]


def may_change(role: Role, other: Role) -> bool:
    """Tell whether somebody of `role` may create, change or switch off somebody of role `other`."""
    return may(role, May.MANAGE_OWNERS if other is Role.OWNER else May.MANAGE_AGENTS)


def grantable(role: Role) -> tuple[Role, ...]:
    """Return the roles that somebody of `role` may give, from the least to the most."""
    return tuple(other for other in Role if may_change(role, other))
