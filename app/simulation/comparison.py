"""Runs every policy over the same arrivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.simulation.arrivals import Arrival
from app.simulation.desk import Desk
from app.simulation.figures import Comparison, figures_of
from app.simulation.picture import picture
from app.simulation.policy import Policy
from app.simulation.staff import Worker


@dataclass(frozen=True, slots=True)
class Scene:
    """What is the same for all policies.

    Attributes:
        slowdown: what each further chat at once adds to a chat's length.
        turns_away: whether visitors whom nobody who is there can serve find no line to get in.
        within_s: a visitor served within this was served in time.
        notes: what of the recorded team is not simulated, to be printed.
    """

    arrivals: Sequence[Arrival]
    staff: Sequence[Worker]
    slowdown: float = 0.0
    turns_away: bool = True
    within_s: float = 60.0
    notes: Sequence[str] = ()


def compare(
    scene: Scene, policies: Sequence[Policy], seed: int, tell: Callable[[], None] = lambda: None
) -> tuple[Comparison, str]:
    """Return the figures and their drawing.

    Args:
        seed: what the arrivals were drawn from, to be printed, and the answers to offers are.
        tell: called at each arrival of each policy.
    """
    found = Comparison([], seed, scene.within_s, list(scene.notes))
    waits: list[list[float]] = []
    for policy in policies:
        desk = Desk(
            scene.arrivals, scene.staff, policy, slowdown=scene.slowdown, turns_away=scene.turns_away, seed=seed
        )
        visits = desk.run(tell)
        found.policies.append(figures_of(policy.name, visits, desk.staff, scene.within_s, desk.backup))
        waits.append(sorted(visit.wait_s for visit in visits if visit.wait_s is not None))
    return found, picture(found, waits)
