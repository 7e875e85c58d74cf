"""The ratings report against episodes made by hand."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from app.chat.models import Conversation, Episode
from app.contacts.models import Visitor
from app.errors import Invalid
from app.identity.models import Agent, Site, Team
from app.ids import uuid7
from app.infra.work import Work
from app.reports.ratings import Figures, Filter, ratings
from app.reports.today import today
from app.surveys.models import Rating
from tests.people import a_site, a_team, an_agent

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEEK = (date(2026, 11, 16), date(2026, 11, 22))


@dataclass
class Desk:
    work: Work
    team: Team
    shop: Site
    blog: Site
    ana: Agent
    ben: Agent

    async def episode(
        self, agent: Agent | None, score: int | None = None, *, asked: datetime | None = NOON, site: Site | None = None,
        comment: str | None = None, answered: datetime | None = None, rated_for: Agent | None = None,
        wait: float | None = None, outcome: str = "answered",
    ) -> None:  # fmt: skip
        """One ended chat: `asked` when the question was shown, None for never."""
        site = site or self.shop
        began = (asked or NOON) - timedelta(minutes=5)
        visitor = Visitor(id=uuid7(), site_id=site.id, name="Vera")
        self.work.session.add(visitor)
        await self.work.session.flush()
        conversation = Conversation(
            id=uuid7(), site_id=site.id, team_id=self.team.id, visitor_id=visitor.id, state="closed"
        )
        self.work.session.add(conversation)
        await self.work.session.flush()
        episode = Episode(
            id=uuid7(), conversation_id=conversation.id, number=1, site_id=site.id, team_id=self.team.id,
            agent_id=agent.id if agent else None, queued_at=began, closed_at=asked or NOON, outcome=outcome,
            rating_prompted_at=asked, assigned_at=None if wait is None else began + timedelta(seconds=wait),
        )  # fmt: skip
        self.work.session.add(episode)
        await self.work.session.flush()
        if score is not None:
            owner = rated_for or agent
            self.work.session.add(
                Rating(
                    episode_id=episode.id, conversation_id=conversation.id, site_id=site.id, team_id=self.team.id,
                    agent_id=owner.id if owner else None, visitor_id=visitor.id, score=score, comment=comment,
                    created_at=answered or asked or NOON,
                )
            )  # fmt: skip
        await self.work.session.flush()


@pytest.fixture
async def desk(work: Work) -> Desk:
    team = await a_team(work)
    shop, blog = await a_site(work, team, name="Shop"), await a_site(work, team, name="Blog")
    return Desk(work, team, shop, blog, await an_agent(work, "Ana"), await an_agent(work, "Ben"))


def chosen(site: UUID | None = None, agent: UUID | None = None, days: tuple[date, date] = WEEK) -> Filter:
    return Filter(*days, site_id=site, agent_id=agent)


async def test_satisfied_means_four_or_five_of_those_who_answered(desk: Desk) -> None:
    for score in (5, 4, 3, 2, 1, None, None):
        await desk.episode(desk.ana, score)
    found = await ratings(desk.work.session, chosen())
    assert found.total == Figures(prompts=7, answers=5, satisfied=2)
    assert found.total.csat.value == 2 / 5
    assert found.total.response_rate.value == 5 / 7
    assert found.scores == [(5, 1), (4, 1), (3, 1), (2, 1), (1, 1)]


async def test_the_response_rate_counts_prompts_within_the_same_filter(desk: Desk) -> None:
    """Peers divide a filtered number of answers by all prompts; here both obey the filter."""
    await desk.episode(desk.ana, 5, site=desk.shop)
    await desk.episode(desk.ana, None, site=desk.shop)
    for _ in range(6):
        await desk.episode(desk.ben, None, site=desk.blog)
    session = desk.work.session
    assert (await ratings(session, chosen(site=desk.shop.id))).total.response_rate.value == 1 / 2
    assert (await ratings(session, chosen(agent=desk.ana.id))).total.response_rate.value == 1 / 2
    assert (await ratings(session, chosen(site=desk.blog.id))).total == Figures(6, 0, 0)
    assert (await ratings(session, chosen(site=desk.blog.id))).total.csat.value is None
    assert (await ratings(session, chosen())).total.response_rate.value == 1 / 8


async def test_who_was_never_asked_counts_nowhere(desk: Desk) -> None:
    await desk.episode(desk.ana, None, asked=None)
    assert (await ratings(desk.work.session, chosen())).total == Figures(0, 0, 0)


async def test_a_late_answer_counts_on_the_day_of_its_question(desk: Desk) -> None:
    await desk.episode(desk.ana, 5, answered=NOON + timedelta(days=9))
    found = await ratings(desk.work.session, chosen())
    assert dict(found.by_day)[NOON.date()] == Figures(1, 1, 1)


async def test_both_ends_of_the_period_are_within_it(desk: Desk) -> None:
    first, last = datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 22, 23, 59, 59, 999999, UTC)
    for at in (first - timedelta(microseconds=1), first, last, last + timedelta(microseconds=1)):
        await desk.episode(desk.ana, 5, asked=at)
    found = await ratings(desk.work.session, chosen())
    assert found.total.answers == 2
    assert [day for day, figures in found.by_day if figures.answers] == list(WEEK)
    assert len(found.by_day) == 7


async def test_an_answer_stays_with_the_agent_it_was_given_for(desk: Desk) -> None:
    await desk.episode(desk.ben, 5, rated_for=desk.ana)
    found = await ratings(desk.work.session, chosen())
    assert found.by_agent == [("Ana", Figures(1, 1, 1))]
    assert (await ratings(desk.work.session, chosen(agent=desk.ben.id))).total.prompts == 0


async def test_comments_come_newest_first_and_empty_ones_not_at_all(desk: Desk) -> None:
    await desk.episode(desk.ana, 5, comment="first", asked=NOON)
    await desk.episode(desk.ana, 2, comment="second", asked=NOON + timedelta(hours=1))
    await desk.episode(desk.ana, 4, comment="")
    await desk.episode(desk.ana, 4)
    found = await ratings(desk.work.session, chosen())
    assert [(comment.text, comment.score, comment.agent, comment.site) for comment in found.comments] == [
        ("second", 2, "Ana", "Shop"),
        ("first", 5, "Ana", "Shop"),
    ]


@pytest.mark.parametrize("days", [(date(2026, 11, 2), date(2026, 11, 1)), (date(2025, 1, 1), date(2026, 11, 1))])
def test_a_period_that_is_none_is_refused_beside_its_field(days: tuple[date, date]) -> None:
    with pytest.raises(Invalid) as caught:
        chosen(days=days)
    assert caught.value.field == "from"


async def test_today_keeps_the_abandoned_apart(desk: Desk) -> None:
    await desk.episode(desk.ana, wait=10)
    await desk.episode(desk.ana, wait=30)
    await desk.episode(None, asked=None, outcome="abandoned")
    await desk.episode(None, asked=None, outcome="left")
    await desk.episode(None, asked=None, outcome="offline")
    await desk.episode(desk.ana, wait=900, asked=NOON - timedelta(days=1))
    found = await today(desk.work.session, NOON + timedelta(hours=3))
    assert (found.episodes, found.answered, found.abandoned) == (4, 2, 2)
    assert found.wait_p50 == 20
    assert (found.waiting_now, found.longest_wait, found.active_now, found.left_messages) == (0, None, 0, 0)
    assert {(agent.name, agent.online) for agent in found.agents} == {("Ana", False), ("Ben", False)}
