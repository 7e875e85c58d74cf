"""What visitors were told of their wait, beside what came of it."""

from datetime import UTC, datetime, timedelta

from app.chat.models import Conversation, Episode
from app.contacts.models import Visitor
from app.ids import uuid7
from app.infra.work import Work
from app.reports.announced_waits import announced_waits
from tests.people import a_site, a_team

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def test_those_inside_the_range_came_true_and_those_who_gave_up_do_not_count(work: Work) -> None:
    team = await a_team(work)
    site = await a_site(work, team)
    told: list[tuple[int | None, int]] = [(70, 2), (300, 2), (40, 2), (None, 2), (70, 45)]
    for waited, days_ago in told:
        visitor = Visitor(id=uuid7(), site_id=site.id)
        work.session.add(visitor)
        await work.session.flush()
        conversation = Conversation(id=uuid7(), site_id=site.id, team_id=team.id, visitor_id=visitor.id, state="closed")
        work.session.add(conversation)
        await work.session.flush()
        queued = NOON - timedelta(days=days_ago)
        work.session.add(
            Episode(
                id=uuid7(), conversation_id=conversation.id, number=1, site_id=site.id, team_id=team.id,
                queued_at=queued, assigned_at=None if waited is None else queued + timedelta(seconds=waited),
                estimate_s=100, estimate_low_s=60, estimate_high_s=180,
            )
        )  # fmt: skip
    await work.session.flush()
    found = await announced_waits(work.session, NOON)
    assert (found.came_true.hits, found.came_true.n) == (1, 3)
    # |70 - 100|, |300 - 100| and |40 - 100|.
    assert found.off_by is not None
    assert round(found.off_by, 1) == 96.7
    assert found.bias is not None
    assert round(found.bias, 1) == -36.7
