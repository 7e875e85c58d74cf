"""Everything a command may need, for one process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.chat.journal import Journal
from app.gateway.hub import Hub
from app.gateway.reception import Reception
from app.gateway.roster import Roster
from app.gateway.throttle import Allowances
from app.gateway.waiting_room import WaitingRoom
from app.infra.background import Background
from app.infra.headcount import Headcount
from app.infra.limits import Limits
from app.infra.work import WorkUnits
from app.routing.queue import Queue


@dataclass(slots=True, frozen=True)
class Desk:
    """One process's parts.

    Attributes:
        arrivals: units of work of those who come, who are let in one after the other.
        addresses: counts sockets and long polls by address.
        most_sockets: that may be open here; half of them may be of people who have not said anything yet.
        polls: places for long polls.
    """

    work: WorkUnits
    arrivals: WorkUnits
    journal: Journal
    hub: Hub
    queue: Queue
    reception: Reception
    roster: Roster
    waiting_room: WaitingRoom
    secret: bytes
    own_origins: frozenset[str]
    allowances: Allowances
    background: Background
    limits: Limits
    addresses: Headcount
    most_sockets: int
    polls: asyncio.Semaphore
