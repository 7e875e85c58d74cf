"""One round: people live, things break and are mended, everybody catches up, everything is judged."""

from __future__ import annotations

import asyncio
import random
import sys
import time
import traceback
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.baseline import left_behind, memory_mb
from tests.chaos.crowding import crowding
from tests.chaos.evidence import LANES, Outage, gather
from tests.chaos.faults import Fault, Field, all_faults
from tests.chaos.house import House
from tests.chaos.invariants import judge
from tests.chaos.invariants.ownership import overtakings
from tests.chaos.ledger import Frame
from tests.chaos.moves import moves
from tests.chaos.scene import Cast, Scene, set_scene
from tests.chaos.watch import INDEX_WITHIN_S, Watch

TOGETHER = 3
LONG = ("gateway.deploy", "gateway.leave", "gateway.sleep", "redis.cold_rush")
"""Faults that take so long by themselves that they do not come together with another."""
LAYERS = ("clients", "gateway", "postgres", "redis")
CAUGHT_UP_WITHIN_S = 15.0
"""I8. The verdict comes at PATIENCE times as long, and later still on a machine that is busy with other things."""
PATIENCE = 2.0
RESTS_EVERY = 4
WORTH_TELLING_S = 3.0

_HEADS = """
    SELECT id::text AS c, visitor_id::text AS visitor, state, agent_id::text AS agent, gen, public_seq AS public,
           internal_seq AS internal
    FROM conversation WHERE visitor_id = ANY ($1)
"""


@dataclass(frozen=True)
class Step:
    """Faults of the plan that come together, the first one outermost, and how long they last (seconds)."""

    faults: tuple[Fault, ...]
    lasts_s: float

    @property
    def name(self) -> str:
        return " + ".join(fault.name for fault in self.faults)


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


@dataclass(frozen=True)
class Manner:
    """How a round is played.

    Attributes:
        warm_up_s, calm_s: before the first fault, and after each.
        rest_s: after every RESTS_EVERY faults and the last: who is passed over in good times is seen only then.
        within_s: no further fault is begun after so many seconds; None means all of the plan.
        caught_up_within_s: the verdict of I8.
        thorough: look at everything in the end. Without it a round stops at the first breach.
    """

    warm_up_s: float = 5.0
    calm_s: float = 1.0
    rest_s: float = 6.0
    within_s: float | None = None
    caught_up_within_s: float = CAUGHT_UP_WITHIN_S * PATIENCE
    thorough: bool = True


@dataclass
class Round:
    """What came of a round."""

    seed: int
    scene: Scene
    manner: Manner
    phases: list[Phase] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    found: list[tuple[str, str]] = field(default_factory=list)
    breaches: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    broke_off: bool = False
    began_at: float = 0.0
    ended_at: float = 0.0
    crowding: float = 1.0
    longest_beside_s: float = 0.0
    longest_off_s: float = 0.0
    longest_overtaken_s: float = 0.0
    memory_mb: dict[str, float] = field(default_factory=dict)
    moves: Counter[str] = field(default_factory=Counter)

    def phase_at(self, at: float) -> Phase | None:
        """Return the phase to which a moment belongs."""
        begun = bisect_right(self.phases, at, key=lambda phase: phase.began_at)
        return self.phases[begun - 1] if begun else None

    @property
    def faults(self) -> list[Phase]:
        return [phase for phase in self.phases if phase.name != "calm"]


def plan(seed: int, names: Sequence[str] | None = None, *, short: bool = False) -> list[Step]:
    """Return the steps of a seed, in order: every fault once, then some that come together.

    Those that leave the servers alone come first.

    Args:
        names: only these, in this order; `a+b` for two at once.
        short: one fault of each layer, and two that come together: the same ones however slow the machine is.
    """
    chance = random.Random(f"plan {seed}")
    faults = all_faults()
    if names is None and short:
        brief = [name for name in sorted(faults) if name not in LONG]
        names = [chance.choice([name for name in brief if name.startswith(f"{layer}.")]) for layer in LAYERS]
        chance.shuffle(names)
        names.append(_together(chance, brief))
    elif names is None:
        well = [name for name in sorted(faults) if name.startswith("clients.")]
        ill = [name for name in sorted(faults) if name not in well]
        chance.shuffle(well)
        chance.shuffle(ill)
        names = [*well, *ill, *(_together(chance, sorted(faults)) for _ in range(TOGETHER))]
    steps: list[Step] = []
    for name in names:
        some = tuple(faults[each] for each in name.split("+"))
        least, most = max(each.least_s for each in some), max(each.most_s for each in some)
        steps.append(Step(some, round(chance.uniform(least, most), 2)))
    return steps


def _together(chance: random.Random, names: list[str]) -> str:
    """Return two faults of different servers that may come together."""
    # A process that starts needs Postgres: it must be mended before, so its fault is the outer one.
    layers = chance.sample(("gateway", "postgres", "redis"), 2)
    layers.sort()
    short = [name for name in names if name not in LONG]
    return "+".join(chance.choice([name for name in short if name.startswith(layer)]) for layer in layers)


async def play(house: House, seed: int, cast: Cast, steps: Sequence[Step], manner: Manner | None = None) -> Round:
    """Play one round and judge it."""
    manner = manner or Manner()
    scene = await set_scene(house, cast, seed)
    played = Round(seed, scene, manner, began_at=time.monotonic())
    watch = Watch(house, scene, played.found)
    watching = asyncio.create_task(watch.run())
    try:
        await _enter(scene)
        say(f"{time.monotonic() - played.began_at:6.1f} s  everybody is there")
        await _calm(played, watch, manner.warm_up_s)
        for number, step in enumerate(steps):
            if manner.within_s is not None and time.monotonic() - played.began_at > manner.within_s:
                played.left_out = [step.name for step in steps[number:]]
                break
            watch.calm_since = None
            await _break(house, played, step, random.Random(f"fault {seed} {number}"))
            if any(played.breaches.values()) and not manner.thorough:
                return played
            await _calm(played, watch, manner.calm_s if (number + 1) % RESTS_EVERY else manner.rest_s)
        await _calm(played, watch, manner.rest_s)
        await _end(house, played, watch)
    except Exception as error:
        # The harness could not go on. What it has seen until now is worth keeping.
        played.broke_off = True
        played.found.append(("harness", f"it could not go on: {error!r}"))
        say(traceback.format_exc())
    finally:
        watch.enough = True
        (failure,) = await asyncio.gather(watching, return_exceptions=True)
        if isinstance(failure, Exception):
            played.found.append(("harness", f"the watch failed: {failure!r}"))
        await scene.strike()
        played.ended_at = time.monotonic()
    if manner.thorough and not played.broke_off:
        played.found += [("I18", words) for words in await left_behind(house)]
    await _judge(house, played, final=not played.broke_off)
    played.longest_beside_s, played.longest_off_s = watch.longest_beside_s, watch.longest_off_s
    if not played.broke_off:
        played.memory_mb = {gateway.name: round(memory_mb(gateway.process.pid), 1) for gateway in house.gateways}
    return played


async def _calm(played: Round, watch: Watch, for_s: float) -> None:
    played.phases.append(Phase("calm", time.monotonic()))
    watch.calm_since = time.monotonic()
    await asyncio.sleep(for_s)


async def _end(house: House, played: Round, watch: Watch) -> None:
    """Let everybody fall silent and catch up to the last word."""
    for person in played.scene.people:
        person.silent = True
    await _catch_up(house, played, "the end", exact=True)
    if played.manner.thorough:
        await _until(lambda: watch.index_is_right, INDEX_WITHIN_S * crowding())
        if not watch.index_is_right:
            played.found.append(("I12", "in the end Redis and Postgres differ about who waits"))


async def _judge(house: House, played: Round, *, final: bool) -> None:
    played.crowding = max(played.crowding, crowding())
    evidence = await gather(house, played.scene, played.outages, played.found, crowding=played.crowding, final=final)
    played.breaches = judge(evidence)
    played.moves = moves(evidence)
    played.longest_overtaken_s = max((waited_s for _, waited_s in overtakings(evidence)), default=0.0)


async def _enter(scene: Scene) -> None:
    """Agents come before visitors, so that somebody is there."""
    for person in scene.agents:
        person.live()
    async with asyncio.timeout(60 * crowding()):
        for person in scene.agents:
            await person.ready.wait()
        for person in scene.visitors:
            person.live()
        for person in scene.visitors:
            await person.ready.wait()


async def _break(house: House, played: Round, step: Step, chance: random.Random) -> None:
    ledger = played.scene.ledger
    phase = Phase(step.name, time.monotonic())
    played.phases.append(phase)
    field = Field(house, played.scene, chance, step.name, played.outages)
    async with AsyncExitStack() as broken:
        for fault in step.faults:
            await broken.enter_async_context(fault.breaks(field))
        await _look_at_the_wreck(house, played)
        if played.found and not played.manner.thorough:
            await _judge(house, played, final=False)
            return
        await asyncio.sleep(step.lasts_s)
    phase.mended_at = time.monotonic()
    await _catch_up(house, played, step.name, phase=phase)
    phase.noticed_at = next((at for at in ledger.notices if at >= phase.began_at), None)
    await _judge(house, played, final=False)
    took = (phase.caught_up_at or time.monotonic()) - phase.mended_at
    say(
        f"{time.monotonic() - played.began_at:6.1f} s  {step.name} ({step.lasts_s:.1f} s), "
        f"caught up {took:.2f} s after it"
    )
    for name, words in played.breaches.items():
        if words and name not in played.told:
            played.told.add(name)
            say(f"         {name} is broken: {words[0]}")


async def _look_at_the_wreck(house: House, played: Round) -> None:
    """Judge while it is broken, if Postgres can be read: what nobody has sent again yet is seen only now."""
    played.crowding = max(played.crowding, crowding())
    try:
        evidence = await gather(house, played.scene, played.outages, [], crowding=played.crowding, final=False)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return
    noted = set(played.found)
    played.found += [
        (name, words) for name, some in judge(evidence).items() for words in some if (name, words) not in noted
    ]


async def _catch_up(
    house: House, played: Round, after: str, *, phase: Phase | None = None, exact: bool = False
) -> None:
    """Wait until everybody is connected, has read what is written by now, and knows what became of what they wrote.

    Args:
        exact: nobody writes any more: everything must be read, not only what was written by now.
    """
    began, scene = time.monotonic(), played.scene
    undecided = set() if exact else {sent.m for sent in scene.ledger.undecided()}
    marks: dict[str, Frame] | None = None
    done: set[str] = set()
    late: list[str] = ["nothing could be read from Postgres"]
    seen: list[str] = []
    while time.monotonic() - began < played.manner.caught_up_within_s * crowding():
        try:
            heads = {row["c"]: dict(row) for row in await house.sql(_HEADS, scene.visitor_ids)}
        except Exception as error:
            late = [f"the harness cannot read: {error!r}"]
            await asyncio.sleep(0.2)
            continue
        if marks is None or exact:
            marks = heads
        laggards = _laggards(scene, marks, heads)
        # People come and go all the time: whoever had caught up once is done.
        done |= set() if exact else {person.name for person in scene.people} - laggards.keys()
        late = [f"{name} {words}" for name, words in laggards.items() if name not in done]
        open_sends = scene.ledger.undecided() if exact else [scene.ledger.sends[m] for m in undecided]
        late += [f"{s.sender}'s {s.m} is undecided" for s in open_sends if s.outcome is None]
        if not late:
            if phase is not None:
                phase.caught_up_at = time.monotonic()
            if time.monotonic() - began > WORTH_TELLING_S:
                say(f"         the last: {'; '.join(seen[:4])}")
            return
        seen = late
        await asyncio.sleep(0.1)
    played.found.append(("I8", f"{time.monotonic() - began:.0f} s after {after}: {'; '.join(late[:5])}"))
    say(f"  late after {after}: {len(late)}: {late[:5]}")


def _laggards(scene: Scene, marks: dict[str, Frame], now: dict[str, Frame]) -> dict[str, str]:
    """Return everybody who has not read what was written at `marks`, and why."""
    late = {person.name: f"is not connected: {person.doing}" for person in scene.people if not person.ready.is_set()}
    by_visitor = {head["visitor"]: head for head in marks.values()}
    for visitor in scene.visitors:
        head = by_visitor.get(visitor.id)
        if head is not None:
            have = visitor.lane(head["c"], "public").have or 0
            if have < head["public"]:
                late.setdefault(visitor.name, f"has {have} of {head['public']} of {head['c']}")
    agents = {agent.id: agent for agent in scene.agents}
    for c, head in marks.items():
        agent = agents.get(head["agent"])
        # Whose it is no more need not follow any further.
        if agent is None or head["state"] != "active" or now[c]["gen"] != head["gen"]:
            continue
        for lane in LANES:
            have = agent.lane(c, lane).have
            if c not in agent.mine or have is None or have < head[lane]:
                words = f"has {have} of {head[lane]} of {c} ({lane}, theirs: {c in agent.mine})"
                late.setdefault(agent.name, words)
    return late


async def _until(true: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


def say(words: str) -> None:
    """Tell whoever runs it; the last line on standard output belongs to the figures."""
    print(words, file=sys.stderr, flush=True)
