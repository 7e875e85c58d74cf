"""When a team is there: opening hours by weekday, in a time zone, with days off. Pure: `now` is an argument.

An interval belongs to the day on which it begins, so 22:00-06:00 on a Friday ends on Saturday, and a day off takes all
that begins on it. Where the clock is put forward, a time that does not exist is counted as if it had not been yet;
where it is put back, an opening means the first and a closing the second of the two moments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = 24 * 60
AHEAD_DAYS = 400
"""How far ahead an opening is looked for: a year of days off is not a mistake."""
MOST_LAST_ORDERS = 12 * 60
_INTERVAL = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*[-–]\s*(\d{1,2})(?::(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Interval:
    """Open from `start` to `end`, minutes from midnight; `end` beyond 1440 is on the next day."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end if self.end <= DAY else self.end - DAY)}"


@dataclass(frozen=True, slots=True)
class Hours:
    """A team's opening hours.

    Attributes:
        zone: the time zone's name, as in "Europe/Berlin".
        week: the intervals of each day, Monday first.
        days_off: dates on which nothing begins, each with a remark.
        last_orders: minutes before closing from which nobody is taken into the line any more.
    """

    zone: str
    week: tuple[tuple[Interval, ...], ...]
    days_off: Mapping[date, str] = field(default_factory=dict[date, str])
    last_orders: int = 0

    def takes(self, now: datetime) -> bool:
        """Tell whether visitors may get in line."""
        end = self.open_until(now)
        return end is not None and now < end - timedelta(minutes=self.last_orders)

    def open_until(self, now: datetime) -> datetime | None:
        """Return when the team closes, or None while it is closed."""
        until = None
        for start, end in self._spans(now, days=9):
            if (until is None and start <= now < end) or (until is not None and start <= until < end):
                until = end
        return until

    def opens_at(self, now: datetime) -> datetime | None:
        """Return when visitors may get in line next, or None: they may now, or no day is in sight."""
        if self.takes(now):
            return None
        # Open but past last orders: this opening is over for whoever comes.
        over = self.open_until(now) or now
        later = (start for start, _ in self._spans(over, days=AHEAD_DAYS) if start >= over)
        return next((start for start in later if self.takes(start)), None)

    def _spans(self, now: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the openings from yesterday's on, in order, as moments in UTC."""
        zone = ZoneInfo(self.zone)
        first = now.astimezone(zone).date() - timedelta(days=1)
        for offset in range(days):
            day = first + timedelta(days=offset)
            if day in self.days_off:
                continue
            for interval in self.week[day.weekday()]:
                yield _moment(day, interval.start, zone, fold=0), _moment(day, interval.end, zone, fold=1)


def parsed(zone: str, week: Sequence[str], days_off: str, last_orders: str) -> Hours:
    """Read hours as an admin writes them.

    Args:
        zone: the time zone's name.
        week: seven lines, Monday first, such as "9-12:30, 13:30-18" or nothing.
        days_off: one date (YYYY-MM-DD) a line; what follows it is a remark.
        last_orders: minutes; nothing means 0.

    Raises:
        Invalid: with the field's name.
    """
    if zone not in available_timezones():
        raise Invalid("There is no such time zone; write one like Europe/Berlin.", field="zone")
    days = tuple(_day(name, line) for name, line in zip(DAYS, week, strict=True))
    if not any(days):
        raise Invalid("With no hours on any day nobody could ever get in line.", field="monday")
    for index, name in enumerate(DAYS):
        tomorrow = days[(index + 1) % 7]
        late = [each for each in days[index] if each.end > DAY]
        if late and tomorrow and tomorrow[0].start < late[0].end - DAY:
            raise Invalid(f"{late[0]} runs into the hours of the next day.", field=name)
    return Hours(zone, days, _dates(days_off), _minutes(last_orders))


def to_json(hours: Hours) -> dict[str, Any]:
    """Return hours as they are stored."""
    return {
        "zone": hours.zone,
        "week": [[str(each) for each in day] for day in hours.week],
        "days_off": {day.isoformat(): hours.days_off[day] for day in sorted(hours.days_off)},
        "last_orders": hours.last_orders,
    }


def from_json(stored: Mapping[str, Any]) -> Hours:
    """Return hours from what was stored."""
    return Hours(
        stored["zone"],
        tuple(tuple(_interval(each) for each in day) for day in stored["week"]),
        {date.fromisoformat(day): remark for day, remark in stored["days_off"].items()},
        stored["last_orders"],
    )


def _day(name: str, line: str) -> tuple[Interval, ...]:
    try:
        intervals = sorted((_interval(each) for each in line.split(",") if each.strip()), key=lambda each: each.start)
    except ValueError:
        raise Invalid("Write hours like 9-12:30, 13:30-18.", field=name) from None
    for earlier, later in pairwise(intervals):
        if later.start < earlier.end:
            raise Invalid(f"{earlier} and {later} overlap.", field=name)
    return tuple(intervals)


def _interval(words: str) -> Interval:
    """Return what "9-12:30" says.

    Raises:
        ValueError: nothing that makes sense.
    """
    found = _INTERVAL.fullmatch(words.strip())
    if found is None:
        raise ValueError(words)
    start_hour, start_minute, end_hour, end_minute = (int(each or 0) for each in found.groups())
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start_minute > 59 or end_minute > 59 or start >= DAY or end > DAY or start == end:
        raise ValueError(words)
    return Interval(start, end if end > start else end + DAY)


def _dates(lines: str) -> dict[date, str]:
    found: dict[date, str] = {}
    for line in filter(str.strip, lines.splitlines()):
        day, _, remark = line.strip().partition(" ")
        try:
            found[date.fromisoformat(day)] = remark.strip()
        except ValueError:
            raise Invalid(
                f"Begin each line with a date like 2026-12-25: {line.strip()[:40]}", field="days_off"
            ) from None
    if len(found) > 500:
        raise Invalid("At most 500 days off, please.", field="days_off")
    return found


def _minutes(words: str) -> int:
    try:
        minutes = int(words.strip() or "0")
    except ValueError:
        minutes = -1
    if not 0 <= minutes <= MOST_LAST_ORDERS:
        raise Invalid(f"A whole number of minutes from 0 to {MOST_LAST_ORDERS}, please.", field="last_orders")
    return minutes


def _moment(day: date, minutes: int, zone: ZoneInfo, fold: int) -> datetime:
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    moments = [local.replace(tzinfo=zone, fold=each).astimezone(UTC) for each in (0, 1)]
    # Twice on the clock: the first moment comes first. Never on it: the other way round, and the later one counts.
    return moments[fold] if moments[0] <= moments[1] else moments[0]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
