"""The library of canned replies: who sees which, and who may change which."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.canned.models import CannedReply
from app.canned.render import check
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.identity.access import CurrentAgent
from app.identity.models import Agent, Team
from app.identity.permissions import May
from app.ids import TeamId
from app.text import clean_line, clean_text

SCOPES = ("personal", "team", "everyone")
_SHORTCUT = re.compile(r"[^\W_](?:[\w.+-]*\w)?")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wrote of a canned reply."""

    scope: str
    title: str
    shortcut: str
    body: str
    team_id: TeamId | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A canned reply with the names around it.

    Attributes:
        reply: the row.
        team: the team's name, for scope `team`.
        owner: the agent's name, for scope `personal`.
    """

    reply: CannedReply
    team: str | None
    owner: str | None


async def visible_replies(
    session: AsyncSession, agent: CurrentAgent, *, words: str = "", scope: str = ""
) -> Sequence[Entry]:
    """Return the replies an agent can use: their own, their teams', everyone's; by title.

    Args:
        session: the database session.
        agent: who is asking.
        words: each must occur in the title, shortcut or body, in whatever case.
        scope: only this one.
    """
    return await _listed(session, _usable(agent.id, agent.team_ids), words, scope)


async def manageable_replies(
    session: AsyncSession, agent: CurrentAgent, *, words: str = "", scope: str = ""
) -> Sequence[Entry]:
    """Like `visible_replies`, for the admin pages: admins see every team's and every agent's too."""
    everything = agent.may(May.EDIT_ALL_REPLIES)
    return await _listed(
        session, CannedReply.id.is_not(None) if everything else _usable(agent.id, agent.team_ids), words, scope
    )


async def reply_for(session: AsyncSession, agent: CurrentAgent, reply_id: UUID) -> Entry:
    """Return one reply that the agent may see.

    Raises:
        NotFound: there is none, or it is not theirs to know of.
    """
    query = _entries().where(CannedReply.id == reply_id)
    if not agent.may(May.EDIT_ALL_REPLIES):
        query = query.where(_usable(agent.id, agent.team_ids))
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFound
    return Entry(*row)


def may_edit(agent: CurrentAgent, reply: CannedReply) -> bool:
    """Tell whether an agent may change a reply they can see."""
    if agent.may(May.EDIT_ALL_REPLIES):
        return True
    if reply.scope == "personal":
        return reply.agent_id == agent.id
    return reply.scope == "team" and agent.may(May.EDIT_TEAM_REPLIES) and reply.team_id in agent.team_ids


async def create_reply(session: AsyncSession, agent: CurrentAgent, draft: Draft) -> CannedReply:
    """Add a reply to the library.

    Raises:
        Invalid: a field is wrong; `field` says which.
        Forbidden: the agent may not write for that scope.
        Conflict: `in_use`, the shortcut is taken there.
    """
    reply = CannedReply(created_by=agent.id)
    await _apply(session, agent, reply, draft)
    session.add(reply)
    await _flush(session)
    return reply


async def change_reply(
    session: AsyncSession, agent: CurrentAgent, reply_id: UUID, draft: Draft, version: int
) -> CannedReply:
    """Change a reply, if it is still the version that the person saw.

    Raises:
        NotFound, Forbidden, Invalid: as above.
        Conflict: `in_use`, or `stale` when somebody has changed it meanwhile.
    """
    reply = await _editable(session, agent, reply_id)
    if reply.version != version:
        raise Conflict(
            "Somebody has changed this reply since you opened it. Your words are still here: compare, then save again.",
            code="stale",
        )
    await _apply(session, agent, reply, draft)
    reply.version = version + 1
    reply.updated_at = clock.now()
    await _flush(session)
    return reply


async def delete_reply(session: AsyncSession, agent: CurrentAgent, reply_id: UUID) -> None:
    """Take a reply out of the library.

    Raises:
        NotFound, Forbidden: as above.
    """
    await session.delete(await _editable(session, agent, reply_id))


async def count_use(session: AsyncSession, canned_id: UUID, agent_id: UUID, team_ids: Collection[UUID]) -> None:
    """Count one use of a reply by an agent who can see it; anything else counts nothing."""
    await session.execute(
        update(CannedReply)
        .where(CannedReply.id == canned_id, _usable(agent_id, team_ids))
        .values(used_count=CannedReply.used_count + 1)
        .execution_options(synchronize_session=False)
    )


def _usable(agent_id: UUID, team_ids: Collection[UUID]) -> ColumnElement[bool]:
    return or_(
        CannedReply.scope == "everyone",
        and_(CannedReply.scope == "personal", CannedReply.agent_id == agent_id),
        and_(CannedReply.scope == "team", CannedReply.team_id.in_(team_ids)),
    )


def _entries() -> Select[CannedReply, str, str]:
    return (
        select(CannedReply, Team.name, Agent.name)
        .outerjoin(Team, Team.id == CannedReply.team_id)
        .outerjoin(Agent, Agent.id == CannedReply.agent_id)
    )


async def _listed(session: AsyncSession, which: ColumnElement[bool], words: str, scope: str) -> Sequence[Entry]:
    query = _entries().where(which)
    for word in words.split()[:8]:
        query = query.where(
            or_(
                CannedReply.title.icontains(word, autoescape=True),
                CannedReply.shortcut.icontains(word.removeprefix("/"), autoescape=True),
                CannedReply.body.icontains(word, autoescape=True),
            )
        )
    if scope in SCOPES:
        query = query.where(CannedReply.scope == scope)
    rows = await session.execute(query.order_by(func.lower(CannedReply.title), CannedReply.id).limit(2000))
    return [Entry(*row) for row in rows]


async def _editable(session: AsyncSession, agent: CurrentAgent, reply_id: UUID) -> CannedReply:
    reply = (await reply_for(session, agent, reply_id)).reply
    if not may_edit(agent, reply):
        raise Forbidden("You can use this reply, but only a supervisor or an admin can change it.")
    return reply


async def _apply(session: AsyncSession, agent: CurrentAgent, reply: CannedReply, draft: Draft) -> None:
    reply.title = clean_line(draft.title, field="title", most=120)
    shortcut = clean_line(draft.shortcut.strip().removeprefix("/"), field="shortcut", most=40)
    if not _SHORTCUT.fullmatch(shortcut):
        raise Invalid("Letters, digits, and - . + _ between them, please.", field="shortcut")
    reply.shortcut = shortcut
    reply.body = clean_text(draft.body, field="body", most=5000)
    check(reply.body)
    await _set_scope(session, agent, reply, draft)


async def _set_scope(session: AsyncSession, agent: CurrentAgent, reply: CannedReply, draft: Draft) -> None:
    if draft.scope not in SCOPES:
        raise Invalid("Choose who can use it.", field="scope")
    owner: Any = reply.agent_id if reply.scope == "personal" and reply.agent_id else agent.id
    reply.scope = draft.scope
    reply.agent_id = owner if draft.scope == "personal" else None
    reply.team_id = None
    if draft.scope == "team":
        if draft.team_id is None or await session.get(Team, draft.team_id) is None:
            raise Invalid("Choose a team.", field="team_id")
        reply.team_id = draft.team_id
    if not may_edit(agent, reply):
        raise Forbidden("Your role does not allow replies for others. Keep it for yourself, or ask an admin.")


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_canned_reply" not in str(error.orig):
            raise
        raise Conflict("That shortcut is taken. Choose another.", code="in_use", field="shortcut") from None
