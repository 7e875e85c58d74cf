"""Answers to somebody who is not there: gathered for a while, then sent by mail, with the way back to the site.

Two kinds of jobs. The first watches a thread that an agent opened and decides when a letter is due; the second sends
one letter of fixed content, so that a repeated delivery is the same letter under the same Message-ID.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit
from uuid import UUID

from sqlalchemy import Row, select, text

from app import clock
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.errors import Invalid
from app.identity.origins import clean_origin
from app.infra.jobs import queue
from app.infra.jobs.outcomes import Again
from app.infra.jobs.queue import TakenJob
from app.infra.mail import Letter, MailServer
from app.infra.presence import is_connected
from app.infra.work import WorkUnits
from app.letters.promises import ANSWERS_LETTER
from app.letters.rendering import rendered

LEAST_LOOK_S = 5.0
"""A thread is looked at every gathering time, but no more often than this."""
PAUSE_PROVEN = timedelta(minutes=5)
PAUSE_UNPROVEN = timedelta(hours=1)
"""Anybody can type anybody's address: a stranger hears from a conversation once an hour at most."""
LONGEST_GATHERING = 5
"""Times the gathering time, for somebody who writes and writes."""

_UNREAD = text(
    "SELECT seq, at FROM message WHERE conversation_id = :c AND lane = 0 AND seq > :after AND kind = 'message' "
    "AND sender_kind = 'agent' ORDER BY seq"
)
_LETTER = text(
    "SELECT v.email, v.verified, v.page_url, s.name AS site, s.origins FROM conversation c "
    "JOIN visitor v ON v.id = c.visitor_id JOIN site s ON s.id = c.site_id WHERE c.id = :c AND v.email IS NOT NULL"
)
_ANSWERS = text(
    "SELECT sender_name AS name, body->>'text' AS text FROM message WHERE conversation_id = :c AND lane = 0 "
    "AND seq BETWEEN :first AND :last AND kind = 'message' AND sender_kind = 'agent' ORDER BY seq"
)


@dataclass(frozen=True, slots=True)
class Thread:
    """How things stand with a thread.

    Attributes:
        unread: numbers and times of answers that the visitor has neither read nor been mailed, in order.
        closed: whether the agent is done.
        online: whether the visitor is there.
        mailed_at: when the last letter was put on its way.
        verified: whether the site vouches for the visitor's address.
    """

    unread: Sequence[tuple[int, datetime]]
    closed: bool
    online: bool
    mailed_at: datetime | None
    verified: bool


@dataclass(frozen=True, slots=True)
class Send:
    """A letter with the unread answers is due."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in so many seconds."""

    seconds: float


def next_step(thread: Thread, now: datetime, gather: timedelta) -> Send | Wait | None:
    """Return what to do about a thread; None when nothing is left to do. Pure.

    A letter is due when nothing was added for `gather` (or the agent has closed the chat), and the pause since
    the last letter is over.
    """
    look_again_s = max(gather.total_seconds(), LEAST_LOOK_S)
    if not thread.unread:
        return None if thread.closed else Wait(look_again_s)
    if thread.online:
        return Wait(look_again_s)
    first, last = thread.unread[0], thread.unread[-1]
    due = now if thread.closed else min(last[1] + gather, first[1] + gather * LONGEST_GATHERING)
    if thread.mailed_at is not None:
        due = max(due, thread.mailed_at + (PAUSE_PROVEN if thread.verified else PAUSE_UNPROVEN))
    if due > now:
        # Meanwhile they may come and read it.
        return Wait(min((due - now).total_seconds(), look_again_s))
    return Send(first[0], last[0])


class AnswersWatch:
    """Carries out jobs of `promises.ANSWERS`.

    Args:
        gather_s: answers of this many seconds go into one letter.
    """

    def __init__(self, work: WorkUnits, gather_s: float) -> None:
        self._work = work
        self._gather = timedelta(seconds=gather_s)

    async def __call__(self, job: TakenJob) -> Again | None:
        """Look at the thread; put a letter on its way if one is due."""
        async with self._work.begin() as work:
            session = work.session
            # Locked: two watches of one thread must not send the same answers.
            conversation = await session.scalar(
                select(Conversation)
                .where(Conversation.id == UUID(job.payload["conversation"]))
                .with_for_update(key_share=True)
            )
            if conversation is None:
                return None
            visitor = await session.get_one(Visitor, conversation.visitor_id)
            after = max(conversation.visitor_read, conversation.mailed_seq)
            unread = await session.execute(_UNREAD, {"c": conversation.id, "after": after})
            thread = Thread(
                unread=[(row.seq, row.at) for row in unread],
                closed=conversation.state == "closed",
                online=await is_connected(session, visitor.id),
                mailed_at=conversation.mailed_at,
                verified=visitor.verified,
            )
            now = clock.now()
            step = next_step(thread, now, self._gather)
            if isinstance(step, Send):
                conversation.mailed_seq, conversation.mailed_at = step.last, now
                c = str(conversation.id)
                await queue.add(
                    session,
                    ANSWERS_LETTER,
                    f"{ANSWERS_LETTER}:{c}:{step.last}",
                    {"conversation": c, "first": step.first, "last": step.last},
                )
                step = next_step(replace(thread, unread=()), now, self._gather)
        return Again(step.seconds) if isinstance(step, Wait) else None


class AnswersLetter:
    """Sends one letter; carries out jobs of `promises.ANSWERS_LETTER`."""

    def __init__(self, work: WorkUnits, mail: MailServer) -> None:
        self._work = work
        self._mail = mail

    async def __call__(self, job: TakenJob) -> None:
        """Send it, unless the visitor was erased meanwhile."""
        c = UUID(job.payload["conversation"])
        async with self._work.reading() as session:
            row = (await session.execute(_LETTER, {"c": c})).one_or_none()
            span = {"c": c, "first": job.payload["first"], "last": job.payload["last"]}
            answers = (await session.execute(_ANSWERS, span)).all()
        if row is not None and answers:
            await self._mail.send(_letter(job.id, c, row, answers))


def _letter(
    letter_id: UUID, c: UUID, row: Row[tuple[object, ...]], answers: Sequence[Row[tuple[object, ...]]]
) -> Letter:
    # Not the visitor's name, nor their words, nor a page they say they are on: the address may be somebody else's.
    text, html = rendered(
        "answers",
        site=row.site,
        answers=[{"name": answer.name, "text": answer.text} for answer in answers],
        link=way_back(row.page_url if row.verified else None, row.origins),
    )
    return Letter(
        id=letter_id,
        thread=c,
        to=row.email,
        sender_name=row.site,
        subject=f"An answer from {row.site}",
        text=text,
        html=html,
    )


def way_back(page_url: str | None, origins: Sequence[str]) -> str | None:
    """Return where the chat can be opened again: the page it was on if that is the site's, else the site's start.

    Args:
        page_url: what the visitor's browser said. Its query is left out: it may hold what is nobody's business.
        origins: the site's.
    """
    if page_url:
        try:
            parts = urlsplit(page_url)
            if clean_origin(f"{parts.scheme}://{parts.netloc}") in origins:
                return f"{parts.scheme}://{parts.netloc}{quote(parts.path, safe='/%:@!$&()*+,;=~')}"
        except (Invalid, ValueError):
            pass
    return origins[0] if origins else None
