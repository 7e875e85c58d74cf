"""What is compared: a way to run the queue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from app.identity.team_bounds import BOUNDS, MODES
from app.routing.assignment import Strategy
from app.routing.patience import ANSWER_S
from app.simulation.staff import Impossible

_CHOICES = {
    "strategy": tuple(each for each in get_args(Strategy) if each != "manual"),
    "mode": MODES,
    "skills": ("on", "off"),
}
_NUMBERS = {
    "sticky": (0, 3600),
    "capacity": (1, 100),
    "share": BOUNDS["share"],
    "boost": (0, 900),
    "agents": (1, 1000),
    "limit": BOUNDS["queue_limit"],
    "overflow": BOUNDS["overflow_after_s"],
    "backup": (0, 1000),
    "answer": (1, ANSWER_S),
    "declined": (0, 45),
    "missed": (0, 45),
}
_NOT_AT_ALL = ("share", "limit", "overflow")
"""What a team may be without."""
_FIELDS = {"sticky": "sticky_s", "boost": "boost_s", "overflow": "overflow_s", "answer": "answer_s"}


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
        mode: whether agents are given chats, or asked.
        answer_s: asked, they answer after so long.
        declined: how many in a hundred offers are declined.
        missed: how many in a hundred run out.
        limit: how many may wait; None: all.
        overflow_s: who has waited so long goes on waiting for the other team; None: nobody does.
        backup: that team's agents, who have no other visitors; they also get whom a full or deserted line turns away.
    """

    name: str
    strategy: Strategy = "least_busy"
    sticky_s: int = 30
    capacity: int | None = None
    share: int | None = None
    skills: bool = True
    boost_s: int | None = None
    agents: int | None = None
    mode: Literal["direct", "offer"] = "direct"
    answer_s: int = 5
    declined: int = 0
    missed: int = 0
    limit: int | None = None
    overflow_s: int | None = None
    backup: int = 0


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
        changes[_FIELDS.get(key, key)] = _value(words, key, value)
    found = replace(base, **changes)
    if found.overflow_s is not None and not found.backup:
        raise Impossible(f'--policy "{words}": overflow wants agents to overflow to, as in overflow=120,backup=2.')
    if found.mode == "direct" and changes.keys() & {"answer_s", "declined", "missed"}:
        raise Impossible(f'--policy "{words}": answer, declined and missed want mode=offer: else nobody is asked.')
    return found


def _value(words: str, key: str, value: str) -> object:
    if (key, value) == ("strategy", "manual"):
        raise Impossible(f'--policy "{words}": manual has no rule to simulate, agents choose for themselves.')
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise Impossible(f'--policy "{words}": {key} is {" or ".join(_CHOICES[key])}, not "{value}".')
        return value == "on" if key == "skills" else value
    if key not in _NUMBERS:
        known = ", ".join((*_CHOICES, *_NUMBERS))
        raise Impossible(f'--policy "{words}": there is no "{key}"; there are {known}.')
    if key in _NOT_AT_ALL and value == "off":
        return None
    least, most = _NUMBERS[key]
    if not re.fullmatch(r"\d{1,6}", value) or not least <= int(value) <= most:
        raise Impossible(f'--policy "{words}": {key} is a whole number from {least} to {most}, not "{value}".')
    return int(value)
