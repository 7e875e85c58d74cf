"""One round: people live, things break and are mended, everybody catches up, everything is judged."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.evidence import LANES, Outage, gather
from tests.chaos.faults import Fault, Field, all_faults
from tests.chaos.house import House
from tests.chaos.invariants import judge
from tests.chaos.ledger import Frame
from tests.chaos.scene import Cast, Scene, set_scene

WARM_UP_S = 5.0
CALM_S = 1.0
CAUGHT_UP_WITHIN_S = 15.0
"""I8. A machine that is busy with other things gets PATIENCE times as long before the verdict."""
PATIENCE = 2.0

_HEADS = """
    SELECT id::text AS c, visitor_id::text AS visitor, state, agent_id::text AS agent, gen, public_seq AS public,
           internal_seq AS internal
    FROM conversation WHERE visitor_id = ANY ($1)
"""


@dataclass(frozen=True)
class Step:
    """A fault of the plan, and how long it lasts (seconds)."""

    fault: Fault
    lasts_s: float


@dataclass
class Phase:
    """A stretch of the round: a fault from breaking to caught up, or the calm between two (monotonic seconds).

    Attributes:
        mended_at: when the fault was over.
        caught_up_at: when everybody had what had been written until then; None if that took too long.
        noticed_at: when a client first noticed.
    """

    name: str
    began_at: float
    mended_at: float = 0.0
    caught_up_at: float | None = None
    noticed_at: float | None = None


@dataclass
class Round:
    """What came of a round."""

    seed: int
    scene: Scene
    phases: list[Phase] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    found: list[tuple[str, str]] = field(default_factory=list)
    breaches: dict[str, list[str]] = field(default_factory=dict)
    began_at: float = 0.0
    ended_at: float = 0.0

    @property
    def faults(self) -> list[Phase]:
        return [phase for phase in self.phases if phase.name != "calm"]


def plan(seed: int, names: Sequence[str] | None = None) -> list[Step]:
    """Return the faults of a seed, in order: every fault once."""
    chance = random.Random(f"plan {seed}")
    faults = all_faults()
    steps = [
        Step(faults[name], round(chance.uniform(faults[name].least_s, faults[name].most_s), 2))
        for name in (names if names is not None else sorted(faults))
    ]
    if names is None:
        chance.shuffle(steps)
    return steps


async def play(house: House, seed: int, cast: Cast, steps: Sequence[Step]) -> Round:
    """Play one round and judge it."""
    scene = await set_scene(house, cast, seed)
    played = Round(seed, scene, began_at=time.monotonic())
    try:
        await _enter(house, scene)
        played.phases.append(Phase("calm", time.monotonic()))
        await asyncio.sleep(WARM_UP_S)
        for number, step in enumerate(steps):
            await _break(house, played, step, random.Random(f"fault {seed} {number}"))
            played.phases.append(Phase("calm", time.monotonic()))
            await asyncio.sleep(CALM_S)
            if any(played.breaches.values()):
                say(f"broken: { {name: words[:3] for name, words in played.breaches.items() if words} }")
        for person in scene.people:
            person.silent = True
        await _catch_up(house, scene, played, "the end", exact=True)
        evidence = await gather(house, scene, played.outages, played.found, final=True)
        played.breaches = judge(evidence)
    finally:
        await asyncio.gather(*(person.leave() for person in scene.people))
    played.ended_at = time.monotonic()
    return played


async def _enter(house: House, scene: Scene) -> None:
    """Agents come before visitors, so that somebody is there."""
    for person in scene.agents:
        person.live()
    async with asyncio.timeout(60):
        for person in scene.agents:
            await person.ready.wait()
        for person in scene.visitors:
            person.live()
        for person in scene.visitors:
            await person.ready.wait()


async def _break(house: House, played: Round, step: Step, chance: random.Random) -> None:
    ledger = played.scene.ledger
    phase = Phase(step.fault.name, time.monotonic())
    played.phases.append(phase)
    async with step.fault.breaks(Field(house, played.scene, chance, played.outages)):
        await asyncio.sleep(step.lasts_s)
    phase.mended_at = time.monotonic()
    await _catch_up(house, played.scene, played, step.fault.name, phase=phase)
    phase.noticed_at = next((at for at in ledger.notices if at >= phase.began_at), None)
    evidence = await gather(house, played.scene, played.outages, played.found, final=False)
    played.breaches = judge(evidence)
    took = (phase.caught_up_at or time.monotonic()) - phase.mended_at
    say(
        f"{time.monotonic() - played.began_at:6.1f} s  {step.fault.name} ({step.lasts_s:.1f} s), "
        f"caught up {took:.2f} s after it"
    )


async def _catch_up(
    house: House, scene: Scene, played: Round, after: str, *, phase: Phase | None = None, exact: bool = False
) -> None:
    """Wait until everybody is connected, has read what is written by now, and knows what became of what they wrote.

    Args:
        exact: nobody writes any more: everything must be read, not only what was written by now.
    """
    began = time.monotonic()
    undecided = set() if exact else {sent.m for sent in scene.ledger.undecided()}
    marks: dict[str, Frame] | None = None
    late: list[str] = ["nothing could be read from Postgres"]
    while time.monotonic() - began < CAUGHT_UP_WITHIN_S * PATIENCE:
        try:
            heads = {row["c"]: dict(row) for row in await house.sql(_HEADS, scene.visitor_ids)}
        except Exception as error:
            late = [f"the harness cannot read: {error!r}"]
            await asyncio.sleep(0.2)
            continue
        if marks is None or exact:
            marks = heads
        late = list(_laggards(scene, marks, heads))
        open_sends = scene.ledger.undecided() if exact else [scene.ledger.sends[m] for m in undecided]
        late += [f"{s.sender}'s {s.m} is undecided" for s in open_sends if s.outcome is None]
        if not late:
            if phase is not None:
                phase.caught_up_at = time.monotonic()
            return
        await asyncio.sleep(0.1)
    played.found.append(("I8", f"{time.monotonic() - began:.0f} s after {after}: {'; '.join(late[:5])}"))
    say(f"  late after {after}: {len(late)}: {late[:5]}")


def _laggards(scene: Scene, marks: dict[str, Frame], now: dict[str, Frame]) -> list[str]:
    """Name everybody who has not read what was written at `marks`."""
    late = [f"{person.name} is not connected" for person in scene.people if not person.ready.is_set()]
    by_visitor = {head["visitor"]: head for head in marks.values()}
    for visitor in scene.visitors:
        head = by_visitor.get(visitor.id)
        if head is not None:
            have = visitor.lane(head["c"], "public").have or 0
            if have < head["public"]:
                late.append(f"{visitor.name} has {have} of {head['public']} of {head['c']}")
    agents = {agent.id: agent for agent in scene.agents}
    for c, head in marks.items():
        agent = agents.get(head["agent"])
        # Whose it is no more need not follow any further.
        if agent is None or head["state"] != "active" or now[c]["gen"] != head["gen"]:
            continue
        for lane in LANES:
            have = agent.lane(c, lane).have
            if c not in agent.mine or have is None or have < head[lane]:
                late.append(f"{agent.name} has {have} of {head[lane]} of {c} ({lane}, theirs: {c in agent.mine})")
    return late


def say(words: str) -> None:
    """Tell whoever runs it; the last line on standard output belongs to the figures."""
    print(words, file=sys.stderr, flush=True)
