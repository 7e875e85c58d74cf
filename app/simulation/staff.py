"""Who answers, and when they are there. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.simulation.arrivals import DAY_S

Shift = tuple[float, float]
ALWAYS: tuple[Shift, ...] = ((0.0, math.inf),)
_HOURS = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?")


class Impossible(ValueError):
    """What was asked for cannot be simulated; its text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who answers.

    Attributes:
        capacity: most chats at once.
        skills: what they can do, in order.
        shifts: when they are there, in seconds since the beginning, in order and apart.
    """

    name: str
    capacity: int
    skills: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ALWAYS


def worker_of(words: str, capacity: int, shifts: tuple[Shift, ...], days: int) -> Worker:
    """Read "Ana: capacity=3,skills=de+en,shift=9-17"; what is not said is as given.

    Raises:
        Impossible: it does not read like that.
    """
    name, _, rest = words.partition(":")
    if not name.strip():
        raise Impossible(f'--agent "{words}": it begins with a name.')
    worker = Worker(name.strip(), capacity, (), shifts)
    for each in filter(None, (part.strip() for part in rest.split(","))):
        key, _, value = each.partition("=")
        if key == "capacity" and value.isdecimal() and 1 <= int(value) <= 100:
            worker = replace(worker, capacity=int(value))
        elif key == "skills" and value:
            worker = replace(worker, skills=tuple(sorted(value.split("+"))))
        elif key == "shift":
            worker = replace(worker, shifts=daily(value, days))
        else:
            raise Impossible(f'--agent "{words}": wants capacity=1-100, skills=a+b or shift=9-17, not "{each}".')
    return worker


def daily(hours: str, days: int) -> tuple[Shift, ...]:
    """Return the shifts of "9-17" or "22:30-6" (over midnight) on each of so many days.

    Raises:
        Impossible: it does not read like that.
    """
    found = _HOURS.fullmatch(hours)
    since, until = (
        (int(found[1]) * 60 + int(found[2] or 0), int(found[3]) * 60 + int(found[4] or 0)) if found else (0, 0)
    )
    if (
        found is None
        or max(since, until) > 24 * 60
        or since == until
        or max(int(found[2] or 0), int(found[4] or 0)) > 59
    ):
        raise Impossible(f'"{hours}" is no shift: write 9-17 or 22:30-6.')
    length = (until - since) % (24 * 60) or 24 * 60
    # One day earlier: a night that began before the beginning still goes on.
    begins = (day * DAY_S + since * 60 for day in range(-1, days))
    return joined([(max(0.0, at), at + length * 60) for at in begins if at + length * 60 > 0])


def joined(shifts: Sequence[Shift]) -> tuple[Shift, ...]:
    """Return shifts in order, those that touch made one."""
    found: list[Shift] = []
    for since, until in sorted(shifts):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return tuple(found)


def resized(staff: Sequence[Worker], agents: int) -> list[Worker]:
    """Return so many agents: the first ones, or these again under further names."""
    many = len(staff)
    return [
        staff[i] if i < many else replace(staff[i % many], name=f"{staff[i % many].name} ({i // many + 1})")
        for i in range(agents)
    ]
