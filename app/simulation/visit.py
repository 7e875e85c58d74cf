"""One visitor's way through the day."""

from __future__ import annotations

from dataclasses import dataclass

from app.routing.assignment import Waiting
from app.simulation.arrivals import Arrival
from app.simulation.gauge import Announced
from app.simulation.seat import Seat


@dataclass(slots=True)
class Visit:
    """What became of an arrival. Times in seconds since the beginning.

    Attributes:
        agent: who served them; None when nobody did.
        turned_away: nobody was there for them, or as many waited as may: no line to get in.
        overflowed: they waited in the other team's line, at once or after a while.
        gave_up_s: when they left unserved.
        announced: what they were told of their wait, if they had to wait and enough was known.
    """

    arrival: Arrival
    agent: str | None = None
    turned_away: bool = False
    overflowed: bool = False
    assigned_s: float | None = None
    ended_s: float | None = None
    gave_up_s: float | None = None
    announced: Announced | None = None

    @property
    def wait_s(self) -> float | None:
        """How long they waited for an agent; None when they got none."""
        return None if self.assigned_s is None else self.assigned_s - self.arrival.at_s


@dataclass(slots=True)
class InLine:
    """Somebody who waits, or is before an agent who has yet to answer.

    Attributes:
        entered: the lane in which they got in line; the estimates count them there, as those of the product do.
        asked: that agent.
        forget_s: when those who declined may be asked again.
    """

    visit: Visit
    waiting: Waiting
    entered: str
    asked: Seat | None = None
    forget_s: float | None = None
