"""The harness is tested itself: each mutant breaks one promise, and a short campaign must see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.campaign import Manner, Round, Step, play
from tests.chaos.crowding import crowding
from tests.chaos.faults import Fault, Field, all_faults
from tests.chaos.house import WORKER, Gateway, House, a_house
from tests.chaos.ledger import Sent
from tests.chaos.person import Person
from tests.chaos.scene import Business, Cast, Crew

TIMES = 4
"""A fault is repeated until a breach shows, at most so often."""
WORD_WITHIN_S = 10.0
RUMOUR_S = 0.3
SMALL = Cast((Business(6, (Crew(agents=((), (), ())),)),), capacity=3, pace=0.25, lateness=0.25)
CHOOSY = Cast(
    (Business(8, (Crew(agents=(("billing",), (), ("billing",)), mode="offer"),), needs=("billing",)),),
    capacity=3,
    pace=0.25,
    lateness=0.25,
)
"""Visitors need what not every agent can do, and agents are asked."""
HURRIED = Manner(warm_up_s=1.5, calm_s=0.5, rest_s=0.5, thorough=False)


@asynccontextmanager
async def _too_late(field: Field) -> AsyncIterator[None]:
    for agent in field.scene.agents:
        for c in agent.mine:
            # They close what they had before them a moment ago: since then it has changed.
            await agent.command({"t": "close", "c": c, "gen": agent.heads[c]["gen"] - 1})
    yield


@asynccontextmanager
async def _killed_after_an_ok(field: Field) -> AsyncIterator[None]:
    ledger = field.scene.ledger
    acked, deadline = len(ledger.acks), time.monotonic() + WORD_WITHIN_S * crowding()
    while len(ledger.acks) == acked and time.monotonic() < deadline:
        await asyncio.sleep(0.002)
    last = max(ledger.sends.values(), key=lambda sent: sent.acked_tick)
    async with _killed(field, _person(field, last.sender)):
        yield


@asynccontextmanager
async def _killed_after_a_rumour(field: Field) -> AsyncIterator[None]:
    deadline = time.monotonic() + WORD_WITHIN_S
    since: dict[str, float] = {}
    lasting: list[Sent] = []
    while not lasting and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
        # What somebody has received, and its sender does not know to be stored. The `ok` may be right behind.
        heard = [field.scene.ledger.sends.get(each.events[-1].m) for each in field.scene.ledger.readings if each.events]
        rumours = [sent for sent in heard if sent is not None and sent.outcome is None]
        since = {sent.m: since.get(sent.m, time.monotonic()) for sent in rumours}
        lasting = [sent for sent in rumours if time.monotonic() - since[sent.m] > RUMOUR_S]
    sender = _person(field, lasting[0].sender) if lasting else None
    if sender is not None:
        # If they said it again it would be stored after all.
        await sender.leave()
    async with _killed(field, sender):
        yield
    if sender is not None:
        sender.leaving = False
        sender.live()


@asynccontextmanager
async def _killed(field: Field, sender: Person | None) -> AsyncIterator[None]:
    """The process is killed to which somebody said something, or any."""
    gateway = (_gateway_of(field, sender) if sender is not None else None) or field.some_gateway()
    await gateway.kill()
    try:
        yield
    finally:
        await gateway.start()


def _person(field: Field, person_id: str) -> Person:
    return next(person for person in field.scene.people if person.id == person_id)


def _gateway_of(field: Field, person: Person) -> Gateway | None:
    """Return the process that somebody is, or was last, connected to."""
    address = person.socket.address if person.socket is not None else None
    return next((each for each in field.house.gateways if each.door.address == address), None)


@asynccontextmanager
async def _last_words_lost(field: Field) -> AsyncIterator[None]:
    deaf, other = field.house.gateways[:2]
    await _take_sides(field, deaf, other)
    deaf.to_redis.change(refuse=True)
    deaf.to_redis.reset()
    # What visitors say now is told to no agent. If an agent spoke, that would show the hole: they are silent.
    for agent in field.scene.agents:
        agent.silent = True
    await _until(lambda: _somebody_lacks_words(field, deaf))
    for visitor in field.scene.visitors:
        visitor.silent = True
    await _until(lambda: not field.scene.ledger.undecided())
    await asyncio.sleep(0.5)
    deaf.to_redis.calm()
    yield


async def _take_sides(field: Field, agents: Gateway, visitors: Gateway) -> None:
    """Let agents and visitors move to one process each, and wait until some of them talk."""
    sides = [(agent, agents) for agent in field.scene.agents] + [(each, visitors) for each in field.scene.visitors]
    for person, side in sides:
        person.silent = False
        person.first_door = side.door.address  # type: ignore[assignment]
        person.hop()
    await _until(lambda: _some_are_apart(field, agents, visitors))


def _some_are_apart(field: Field, agents: Gateway, visitors: Gateway) -> bool:
    """Tell whether an agent on one process talks with a visitor on the other."""
    there = {visitor.c for visitor in field.scene.visitors if _gateway_of(field, visitor) is visitors}
    return any(there & set(agent.mine) for agent in field.scene.agents if _gateway_of(field, agent) is agents)


async def _until(true: Callable[[], bool]) -> None:
    """Wait until something is so. What comes of it is judged in any case."""
    deadline = time.monotonic() + 3 * WORD_WITHIN_S * crowding()
    while not true() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


def _somebody_lacks_words(field: Field, deaf: Gateway) -> bool:
    """Tell whether something was acknowledged that somebody on a process has not heard."""
    last: dict[str, int] = {}
    for sent in field.scene.ledger.sends.values():
        if sent.outcome == "ok" and sent.lane == "public":
            last[sent.c] = max(last.get(sent.c, 0), sent.s)
    readers: list[tuple[Person, list[str]]] = [(agent, agent.mine) for agent in field.scene.agents]
    readers += [(visitor, [visitor.c]) for visitor in field.scene.visitors if visitor.c is not None]
    return any(
        (reader.lane(c, "public").have or 0) < last.get(c, 0)
        for reader, theirs in readers
        if _gateway_of(field, reader) is deaf
        for c in theirs
    )


@asynccontextmanager
async def _nobody_wants_them(field: Field) -> AsyncIterator[None]:
    for agent in field.scene.agents:
        agent.unwilling = True
    try:
        yield
    finally:
        for agent in field.scene.agents:
            agent.unwilling = False


@asynccontextmanager
async def _nothing(field: Field) -> AsyncIterator[None]:
    yield


TOO_LATE = Fault("too late", "Nothing breaks; agents close chats at the generation before.", 1, 1, _too_late)
KILLED_AFTER_AN_OK = Fault(
    "killed after an ok",
    "A process is killed right after it has acknowledged something.",
    0.5,
    0.5,
    _killed_after_an_ok,
)
KILLED_AFTER_A_RUMOUR = Fault(
    "killed after a rumour",
    "A process is killed while others have heard what it has not acknowledged.",
    0.5,
    0.5,
    _killed_after_a_rumour,
)
NOBODY_WANTS_THEM = Fault("nobody wants them", "Agents decline whatever they are asked.", 4, 4, _nobody_wants_them)
NOTHING = Fault("nothing", "Nothing breaks.", 4, 4, _nothing)
LAST_WORDS_LOST = Fault(
    "last words lost", "A process is cut off from Redis while the last words are said.", 0, 0, _last_words_lost
)


@dataclass(frozen=True)
class Mutant:
    """A promise that is taken away, and the campaign that must notice.

    Attributes:
        breaks: at least one of these invariants must break.
        fault: the name of a fault, or a fault of this module's own.
        cast: who is there.
        in_worker: whether `mutant_worker` makes it; else `sql` does.
    """

    name: str
    says: str
    breaks: frozenset[str]
    fault: str | Fault
    manner: Manner = HURRIED
    cast: Cast = SMALL
    in_worker: bool = True
    sql: str = ""


# The statement that posts messages, made blind to what it has stored before.
_FORGETFUL = """
DO $do$
DECLARE
    source text := pg_get_functiondef((SELECT max(oid) FROM pg_proc WHERE proname = 'post_messages'));
    blind text := replace(source, 'AND m = d.m AND sender_kind', 'AND m = d.m AND false AND sender_kind');
BEGIN
    IF blind = source THEN
        RAISE EXCEPTION 'post_messages looks up keys in another way than this mutant knows';
    END IF;
    EXECUTE blind;
    DROP INDEX uq_message_key;
END $do$
"""

MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant("ack_before_commit", "acknowledge before commit", frozenset({"I1", "I9"}), KILLED_AFTER_AN_OK),
        Mutant(
            "no_unique_key",
            "no unique key",
            frozenset({"I3", "I1", "I9"}),
            "clients.reply_lost",
            in_worker=False,
            sql=_FORGETFUL,
        ),
        Mutant("skip_gen", "skip gen", frozenset({"I10"}), TOO_LATE),
        Mutant(
            "skip_tail_check",
            "skip the tail check",
            frozenset({"I8"}),
            LAST_WORDS_LOST,
            Manner(warm_up_s=1.5, calm_s=0.5, rest_s=0.5, thorough=False, caught_up_within_s=12),
        ),
        Mutant("publish_before_commit", "publish before commit", frozenset({"I2"}), KILLED_AFTER_A_RUMOUR),
        Mutant("no_jitter", "no jitter", frozenset({"spread"}), "gateway.leave"),
        Mutant("declines_are_forgotten", "declines are forgotten", frozenset({"I19"}), NOBODY_WANTS_THEM, cast=CHOOSY),
        Mutant("skills_are_not_looked_at", "skills are not looked at", frozenset({"I19"}), NOTHING, cast=CHOOSY),
    )
}


async def hunt(
    mutant: Mutant | None, faults: Sequence[str | Fault], directory: Path, seed: int = 1, cast: Cast = SMALL
) -> Round:
    """Play a short campaign against a mutant, or against the true program, until something breaks."""
    worker = ("-m", "tests.chaos.mutant_worker", "--mutant", mutant.name) if mutant and mutant.in_worker else WORKER
    some = [each if isinstance(each, Fault) else all_faults()[each] for each in faults]
    steps = [Step((each,), max(each.least_s, 0.5)) for each in some]
    async with a_house(directory, gateways=2, worker=worker) as house:
        if mutant and mutant.sql:
            await _mutate(house, mutant.sql)
        return await play(house, seed, mutant.cast if mutant else cast, steps, mutant.manner if mutant else HURRIED)


async def _mutate(house: House, sql: str) -> None:
    await house.sql(sql)
    # Plans that were made before go on as they were.
    await house.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
