"""Everything a command may need, for one process."""

from __future__ import annotations

from dataclasses import dataclass

from app.chat.journal import Journal
from app.gateway.hub import Hub
from app.gateway.roster import Roster
from app.gateway.waiting_room import WaitingRoom
from app.infra.background import Background
from app.infra.limits import Limits
from app.infra.work import WorkUnits
from app.routing.queue import Queue


@dataclass(slots=True, frozen=True)
class Pace:
    """How fast a connection may go: frames, and messages of a visitor or agent."""

    frames_per_s: float = 20
    frames_burst: float = 60
    visitor_messages_per_s: float = 1
    agent_messages_per_s: float = 10
    burst: float = 20


@dataclass(slots=True, frozen=True)
class Desk:
    """One process's parts."""

    work: WorkUnits
    journal: Journal
    hub: Hub
    queue: Queue
    roster: Roster
    waiting_room: WaitingRoom
    secret: bytes
    own_origins: frozenset[str]
    pace: Pace
    background: Background
    limits: Limits
