"""What visitors thought: satisfaction and response rate, in all, by agent and by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid
from app.reports.dictionary import Share
from app.reports.queries import query

LONGEST_DAYS = 366
MOST_COMMENTS = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """Which ratings to look at. Days are in UTC, both included."""

    first: date
    last: date
    site_id: UUID | None = None
    agent_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Invalid("The first day must not come after the last.", field="from")
        if (self.last - self.first).days > LONGEST_DAYS:
            raise Invalid("At most a year at a time, please.", field="from")

    @property
    def days(self) -> Sequence[date]:
        """Every day of the period."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def parameters(self) -> dict[str, object]:
        """Return the values of the queries' parameters."""
        return {
            "from_at": datetime.combine(self.first, time(), UTC),
            "to_at": datetime.combine(self.last + timedelta(days=1), time(), UTC),
            "site_id": self.site_id,
            "agent_id": self.agent_id,
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of the prompts of one group."""

    prompts: int
    answers: int
    satisfied: int

    @property
    def csat(self) -> Share:
        """Share of answers that are 4 or 5."""
        return Share(self.satisfied, self.answers)

    @property
    def response_rate(self) -> Share:
        """Share of prompts that were answered."""
        return Share(self.answers, self.prompts)


@dataclass(frozen=True, slots=True)
class Comment:
    """An answer that came with words."""

    at: datetime
    score: int
    text: str
    agent: str | None
    site: str
    visitor: str | None


@dataclass(frozen=True, slots=True)
class Ratings:
    """Everything the ratings page shows.

    Attributes:
        total: all of the filter.
        scores: number of answers by score, 5 first.
        by_agent: figures by agent's name.
        by_day: figures by day, every day of the filter.
        comments: the newest ones, at most 50.
    """

    total: Figures
    scores: Sequence[tuple[int, int]]
    by_agent: Sequence[tuple[str, Figures]]
    by_day: Sequence[tuple[date, Figures]]
    comments: Sequence[Comment]


async def ratings(session: AsyncSession, chosen: Filter) -> Ratings:
    """Return the ratings that a filter chooses."""
    given = chosen.parameters()
    total = (await session.execute(query("ratings_totals"), given)).mappings().one()
    agents = (await session.execute(query("ratings_by_agent"), given)).mappings().all()
    days = (await session.execute(query("ratings_by_day"), given)).mappings().all()
    comments = await session.execute(query("ratings_comments"), {**given, "most": MOST_COMMENTS})
    figures_of = {row["day"]: _figures(row) for row in days}
    names = ("ones", "twos", "threes", "fours", "fives")
    return Ratings(
        total=_figures(total),
        scores=[(score, total[names[score - 1]]) for score in range(5, 0, -1)],
        by_agent=[(row["name"], _figures(row)) for row in agents],
        by_day=[(day, figures_of.get(day, Figures(0, 0, 0))) for day in chosen.days],
        comments=[
            Comment(row["created_at"], row["score"], row["comment"], row["agent"], row["site"], row["visitor"])
            for row in comments.mappings()
        ],
    )


def _figures(row: Mapping[Any, Any]) -> Figures:
    return Figures(row["prompts"], row["answers"], row["satisfied"])
