"""A message was left while nobody was there: each member of the team gets it by mail, and can answer from there."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from app.infra.jobs.queue import TakenJob
from app.infra.mail import Letter, MailServer
from app.infra.work import WorkUnits
from app.letters.rendering import rendered

# Nothing when it was answered or erased meanwhile, or the member has left; nor when a later message was left: its own
# letter holds them all.
_LEFT = text(
    """
    SELECT v.name, v.email, v.verified, s.name AS site, a.email AS member, c.episode
    FROM conversation c
    JOIN visitor v ON v.id = c.visitor_id
    JOIN site s ON s.id = c.site_id
    JOIN agent a ON a.id = :agent AND a.active
    JOIN team_member tm ON tm.agent_id = a.id AND tm.team_id = c.team_id
    WHERE c.id = :c AND c.left_message AND v.email IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM message later WHERE later.conversation_id = c.id AND later.lane = 0
                      AND later.seq > :seq AND later.kind = 'left_message')
    """
)
_PHONE = text(
    "SELECT body->>'phone' FROM message WHERE conversation_id = :c AND lane = 0 AND kind = 'left_message' "
    "AND episode = :episode AND body ? 'phone' ORDER BY seq DESC LIMIT 1"
)
_WORDS = text(
    "SELECT body->>'text' AS text FROM message WHERE conversation_id = :c AND lane = 0 AND seq <= :seq "
    "AND episode = :episode AND kind = 'message' AND sender_kind = 'visitor' ORDER BY seq"
)


class LeftMessageLetter:
    """Sends the letter to one member.

    Args:
        public_url: where the console is.
    """

    def __init__(self, work: WorkUnits, mail: MailServer, public_url: str) -> None:
        self._work = work
        self._mail = mail
        self._public_url = public_url

    async def __call__(self, job: TakenJob) -> None:
        """Carry out a job of `promises.LEFT_MESSAGE`."""
        letter = await self._letter(job)
        if letter is not None:
            await self._mail.send(letter)

    async def _letter(self, job: TakenJob) -> Letter | None:
        c, seq = UUID(job.payload["conversation"]), job.payload["seq"]
        async with self._work.reading() as session:
            found = await session.execute(_LEFT, {"c": c, "seq": seq, "agent": UUID(job.payload["agent"])})
            row = found.one_or_none()
            if row is None:
                return None
            words = await session.scalars(_WORDS, {"c": c, "seq": seq, "episode": row.episode})
            messages = words.all()
            phone = await session.scalar(_PHONE, {"c": c, "episode": row.episode})
        who = row.name or row.email
        text, html = rendered(
            "left_message",
            who=who,
            email=row.email,
            verified=row.verified,
            site=row.site,
            messages=messages,
            phone=phone,
            console=f"{self._public_url}/console#/messages/{c}",
        )
        return Letter(
            id=job.id,
            thread=c,
            to=row.member,
            reply_to=row.email,
            sender_name=row.site,
            subject=f"{who} left a message at {row.site}",
            text=text,
            html=html,
        )
