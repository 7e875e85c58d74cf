"""What is compared: a way to run the queue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, get_args

from app.routing.assignment import Strategy
from app.simulation.staff import Impossible

_BOUNDS = {"sticky": (0, 3600), "capacity": (1, 100), "share": (1, 100), "boost": (0, 900), "agents": (1, 1000)}


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to run the queue.

    Attributes:
        sticky_s: how long a visitor who comes back is kept for the agent they had; 0: not at all.
        capacity: chats at once of every agent; None: each has their own.
        share: how many of the team's chats an agent has at most; None: only their capacity counts.
        skills: whether visitors wait for those who can do what they need.
        boost_s: what priority is worth; None: what each arrival says.
        agents: so many of them; None: as many as are given.
    """

    name: str
    strategy: Strategy = "least_busy"
    sticky_s: int = 30
    capacity: int | None = None
    share: int | None = None
    skills: bool = True
    boost_s: int | None = None
    agents: int | None = None


def policy_of(words: str, base: Policy) -> Policy:
    """Read "in turn: strategy=round_robin,sticky=0,capacity=3,share=2,skills=off,boost=60,agents=6".

    Args:
        base: what is not said is as there.

    Raises:
        Impossible: it does not read like that.
    """
    name, _, rest = words.partition(":")
    if not name.strip():
        raise Impossible(f'--policy "{words}": it begins with a name, as in "in turn: strategy=round_robin".')
    changes: dict[str, Any] = {"name": name.strip()}
    for each in filter(None, (part.strip() for part in rest.split(","))):
        key, _, value = each.partition("=")
        changes[{"sticky": "sticky_s", "boost": "boost_s"}.get(key, key)] = _value(words, key, value)
    return replace(base, **changes)


def _value(words: str, key: str, value: str) -> object:
    if key == "strategy":
        if value == "manual":
            raise Impossible(f'--policy "{words}": manual has no rule to simulate, agents choose for themselves.')
        if value in get_args(Strategy):
            return value
        raise Impossible(f'--policy "{words}": strategy is least_busy, round_robin or longest_idle, not "{value}".')
    if key == "skills":
        if value in ("on", "off"):
            return value == "on"
        raise Impossible(f'--policy "{words}": skills is on or off, not "{value}".')
    if key not in _BOUNDS:
        known = ", ".join(("strategy", "skills", *_BOUNDS))
        raise Impossible(f'--policy "{words}": there is no "{key}"; there are {known}.')
    least, most = _BOUNDS[key]
    if not re.fullmatch(r"\d{1,6}", value) or not least <= int(value) <= most:
        raise Impossible(f'--policy "{words}": {key} is a whole number from {least} to {most}, not "{value}".')
    return int(value)
