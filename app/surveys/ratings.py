"""The visitor's rating of an episode."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.chat import episodes, lines
from app.chat.conversations import changed
from app.chat.models import Conversation
from app.errors import Conflict
from app.infra.work import Work
from app.surveys.models import Rating


async def rate(work: Work, conversation: Conversation, score: int, comment: str | None, now: datetime) -> None:
    """Store or change the rating of the latest closed episode of a locked conversation.

    Args:
        score: 1 to 5.

    Raises:
        Conflict: `not_ratable`: the latest episode runs still, or no agent took part in it.
    """
    episode = None if conversation.episode == 0 else await episodes.current(work.session, conversation)
    if episode is None or episode.closed_at is None or episode.agent_id is None:
        raise Conflict("There is no ended chat to rate.", code="not_ratable")
    known = await work.session.scalar(select(Rating).where(Rating.episode_id == episode.id))
    if known is not None and known.score == score and comment in (None, known.comment):
        # Given again because its answer was lost: nothing new to say of it.
        return
    episode.rating_prompted_at = episode.rating_prompted_at or now
    statement = insert(Rating).values(
        episode_id=episode.id,
        conversation_id=conversation.id,
        site_id=episode.site_id,
        team_id=episode.team_id,
        agent_id=episode.agent_id,
        visitor_id=conversation.visitor_id,
        score=score,
        comment=comment,
        created_at=now,
    )
    await work.session.execute(
        statement.on_conflict_do_update(
            index_elements=[Rating.episode_id],
            set_={"score": score, "comment": comment if comment is not None else Rating.comment},
        )
    )
    lines.append(work, conversation, lines.INTERNAL, "rated", {"score": score, "comment": comment}, now)
    changed(work, conversation, now, conversation.last_agent_id)
