"""Which facts must be followed by mail: written down as jobs in the same transaction."""

from __future__ import annotations

from sqlalchemy import select, text

from app.chat.events import LineAppended
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.identity.first_run import OWNER_EMAIL
from app.identity.models import Agent, TeamMember
from app.infra.jobs import queue
from app.infra.work import Work

LEFT_MESSAGE = "letters.left_message"
ANSWERS = "letters.answers"
ANSWERS_LETTER = "letters.answers_letter"

SETTLE_S = 10.0
"""Seconds before a left message is mailed: another may follow, and go into the same letter."""

_STILL_ANSWERED = text(
    f"SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued' AND kind = '{ANSWERS}' AND payload->>'conversation' = :c)"
)


class LetterPromises:
    """Promises letters; only a process that can send mail has one.

    Args:
        gather_s: answers of this many seconds go into one letter.
    """

    def __init__(self, gather_s: float) -> None:
        self._gather_s = gather_s

    async def __call__(self, work: Work) -> None:
        """Write down what must follow from the facts of this transaction."""
        for fact in work.facts:
            if isinstance(fact, LineAppended):
                if fact.kind == "left_message":
                    await self._tell_team(work, fact)
                elif fact.kind == "reopened":
                    await self._answer(work, fact)

    async def _tell_team(self, work: Work, fact: LineAppended) -> None:
        """One letter to each member: a refused address must not keep the letter from the others."""
        members = await work.session.scalars(
            select(Agent.id)
            .join(TeamMember, TeamMember.agent_id == Agent.id)
            .join(Conversation, Conversation.team_id == TeamMember.team_id)
            # The address that a new Deskbell makes up for its owner is nobody's.
            .where(Conversation.id == fact.conversation_id, Agent.active, Agent.email != OWNER_EMAIL)
        )
        for agent_id in members.all():
            await queue.add(
                work.session,
                LEFT_MESSAGE,
                f"{LEFT_MESSAGE}:{fact.conversation_id}:{fact.seq}:{agent_id}",
                {"conversation": str(fact.conversation_id), "seq": fact.seq, "agent": str(agent_id)},
                after_s=SETTLE_S,
            )

    async def _answer(self, work: Work, fact: LineAppended) -> None:
        """An agent opened a closed thread: what they write is for somebody who may not be there."""
        row = (
            await work.session.execute(
                select(Conversation, Visitor.email)
                .join(Visitor, Visitor.id == Conversation.visitor_id)
                .where(Conversation.id == fact.conversation_id)
            )
        ).one()
        conversation, email = row.tuple()
        if email is None:
            return
        # The transaction holds the conversation's lock, so no letter is being put together now. What was unread before
        # is old news, unless a letter with it is still to come.
        if not await work.session.scalar(_STILL_ANSWERED, {"c": str(conversation.id)}):
            conversation.mailed_seq = max(conversation.mailed_seq, fact.seq)
        await queue.add(
            work.session,
            ANSWERS,
            f"{ANSWERS}:{conversation.id}:{fact.seq}",
            {"conversation": str(conversation.id)},
            after_s=self._gather_s,
        )
