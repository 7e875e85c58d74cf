"""Writes the demo shop's past: a month of chats with their waits, answers and ratings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from app.chat import episodes, lines
from app.chat.models import Conversation, Episode, Stint
from app.cli.demo_story import CHATS, QUESTION, VISITORS, opinion
from app.contacts.models import Visitor
from app.identity.models import Agent
from app.ids import SiteId, TeamId, uuid7
from app.infra.work import Work
from app.surveys.models import Rating

CHATS_A_DAY = (1, 6)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the past took place, and who was there."""

    site_id: SiteId
    team_id: TeamId
    agents: tuple[Agent, ...]


async def write_history(work: Work, desk: Desk, now: datetime, days: int = 30) -> int:
    """Write ended chats of the last days and one unanswered message; return how many there are.

    The same now, the same past: chance has a fixed seed.
    """
    chance = Random(20)
    written = 0
    for back in range(days, -1, -1):
        morning = (now - timedelta(days=back)).replace(hour=8, minute=0, second=0, microsecond=0)
        for _ in range(chance.randint(*CHATS_A_DAY)):
            began = morning + timedelta(minutes=chance.uniform(0, 10 * 60))
            if began > now - timedelta(minutes=30):
                continue
            await _write_chat(work, desk, chance, began)
            written += 1
    await _write_message(work, desk, now - timedelta(hours=9))
    return written + 1


async def _write_chat(work: Work, desk: Desk, chance: Random, began: datetime) -> None:
    agent = chance.choice(desk.agents)
    visitor, conversation = await _open(work, desk, chance.choice(VISITORS), began)
    episode = episodes.begin(work.session, conversation, began)
    lines.append(work, conversation, lines.PUBLIC, "queued", {"episode": 1}, began)
    turns = list(chance.choice(CHATS))
    at = began + timedelta(seconds=4)
    _say(work, conversation, visitor, agent, turns.pop(0), at)
    if chance.random() < 0.07:
        _leave(work, conversation, episode, visitor, began + timedelta(seconds=chance.uniform(40, 300)))
        return

    joined = at + timedelta(seconds=chance.expovariate(1 / 35))
    episode.agent_id, episode.assigned_at = agent.id, joined
    conversation.assigned_at, conversation.last_agent_id = joined, agent.id
    shown = {"id": str(agent.id), "name": agent.name}
    sender = ("agent", agent.id, agent.name)
    lines.append(work, conversation, lines.PUBLIC, "joined", {"agent": shown}, joined, sender=sender)
    at = joined
    for turn in turns:
        at += timedelta(seconds=chance.uniform(12, 75))
        _say(work, conversation, visitor, agent, turn, at)
    closed = at + timedelta(seconds=chance.uniform(20, 120))
    data = {"by": "agent", "reason": "ended", "agent": shown}
    lines.append(work, conversation, lines.PUBLIC, "closed", data, closed, sender=sender)
    _close(conversation, episode, "answered", closed)
    episode.rating_prompted_at = closed
    stint = Stint(id=uuid7(), episode_id=episode.id, agent_id=agent.id, started_at=joined)
    stint.ended_at, stint.end_reason = closed, "closed"
    work.session.add(stint)
    await _rate(work, conversation, episode, chance, closed + timedelta(seconds=20))


async def _open(work: Work, desk: Desk, name: str | None, at: datetime) -> tuple[Visitor, Conversation]:
    email = None
    if name is not None:
        plain = name.lower().encode("ascii", "ignore").decode().replace(" ", ".")
        email = f"{plain}@mail.example"
    visitor = Visitor(id=uuid7(), site_id=desk.site_id, name=name, email=email, created_at=at, seen_at=at)
    conversation = Conversation(
        id=uuid7(),
        site_id=desk.site_id,
        team_id=desk.team_id,
        visitor_id=visitor.id,
        state="closed",
        gen=4,
        episode=0,
        public_seq=0,
        internal_seq=0,
        queued_at=at,
        created_at=at,
        changed_at=at,
    )
    work.session.add(visitor)
    await work.session.flush()
    work.session.add(conversation)
    await work.session.flush()
    return visitor, conversation


def _say(
    work: Work, conversation: Conversation, visitor: Visitor, agent: Agent, turn: tuple[str, str], at: datetime
) -> None:
    who, text = turn
    first_name = (visitor.name or "there").split()[0]
    sender = ("visitor", visitor.id, visitor.name) if who == "v" else ("agent", agent.id, agent.name)
    lines.append(work, conversation, lines.PUBLIC, "message", {"text": text.format(v=first_name)}, at, sender=sender)


def _leave(work: Work, conversation: Conversation, episode: Episode, visitor: Visitor, at: datetime) -> None:
    data = {"by": "visitor", "reason": "left", "agent": None}
    sender = ("visitor", visitor.id, visitor.name)
    lines.append(work, conversation, lines.PUBLIC, "closed", data, at, sender=sender)
    _close(conversation, episode, "left", at)


def _close(conversation: Conversation, episode: Episode, outcome: str, at: datetime) -> None:
    episode.closed_at, episode.outcome = at, outcome
    conversation.closed_at = conversation.changed_at = at
    conversation.visitor_read = conversation.agent_read = conversation.public_seq


async def _rate(work: Work, conversation: Conversation, episode: Episode, chance: Random, at: datetime) -> None:
    answer = opinion(chance)
    if answer is None:
        return
    await work.session.flush()
    work.session.add(
        Rating(
            episode_id=episode.id,
            conversation_id=conversation.id,
            site_id=episode.site_id,
            team_id=episode.team_id,
            agent_id=episode.agent_id,
            visitor_id=conversation.visitor_id,
            score=answer.score,
            comment=answer.comment,
            created_at=at,
        )
    )
    data = {"score": answer.score, "comment": answer.comment}
    lines.append(work, conversation, lines.INTERNAL, "rated", data, at)


async def _write_message(work: Work, desk: Desk, at: datetime) -> None:
    visitor, conversation = await _open(work, desk, "Marta Silva", at)
    episode = episodes.begin(work.session, conversation, at)
    episode.outcome, episode.closed_at = "offline", at
    conversation.left_message = True
    conversation.closed_at = at
    sender = ("visitor", visitor.id, visitor.name)
    lines.append(work, conversation, lines.PUBLIC, "message", {"text": QUESTION}, at, sender=sender)
    data = {"name": visitor.name, "email": visitor.email}
    lines.append(work, conversation, lines.PUBLIC, "left_message", data, at)
