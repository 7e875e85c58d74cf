"""The harness is tested itself: each mutant breaks one promise, and a short campaign must see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.campaign import Manner, Round, Step, play
from tests.chaos.faults import Fault, Field, all_faults
from tests.chaos.house import WORKER, Gateway, House, a_house
from tests.chaos.scene import Cast

TIMES = 4
"""A fault is repeated until a breach shows, at most so often."""
WORD_WITHIN_S = 20.0
SMALL = Cast(visitors=(6,), agents=(3,), capacity=3, pace=0.25, lateness=0.25)
HURRIED = Manner(warm_up_s=1.5, calm_s=0.5, thorough=False)


@asynccontextmanager
async def _too_late(field: Field) -> AsyncIterator[None]:
    for agent in field.scene.agents:
        for c in agent.mine:
            # They close what they had before them a moment ago: since then it has changed.
            await agent.command({"t": "close", "c": c, "gen": agent.heads[c]["gen"] - 1})
    yield


@asynccontextmanager
async def _killed_after_a_word(field: Field) -> AsyncIterator[None]:
    gateway = await _just_spoken_on(field)
    await gateway.kill()
    try:
        yield
    finally:
        await gateway.start()


async def _just_spoken_on(field: Field) -> Gateway:
    """Return the process that has just acknowledged something, or passed on what is not acknowledged yet."""
    ledger = field.scene.ledger
    acked = len(ledger.acks)
    deadline = time.monotonic() + WORD_WITHIN_S
    while time.monotonic() < deadline:
        heard = [ledger.sends.get(reading.events[-1].m) for reading in ledger.readings if reading.events]
        early = [sent for sent in heard if sent is not None and sent.outcome is None]
        if early or len(ledger.acks) > acked:
            sent = early[0] if early else max(ledger.sends.values(), key=lambda each: each.acked_tick)
            sender = next(person for person in field.scene.people if person.id == sent.sender)
            for gateway in field.house.gateways:
                if sender.socket is not None and gateway.door.address == sender.socket.address:
                    return gateway
        await asyncio.sleep(0.002)
    return field.some_gateway()


@asynccontextmanager
async def _last_words_lost(field: Field) -> AsyncIterator[None]:
    cut_off = field.house.gateways[0].to_redis
    for person in field.scene.people:
        person.silent = False
    cut_off.change(refuse=True)
    cut_off.reset()
    # What is said on the other process now is told to nobody here, and nothing comes after it that would show the hole.
    await asyncio.sleep(1.5)
    for person in field.scene.people:
        person.silent = True
    await asyncio.sleep(0.5)
    cut_off.calm()
    yield


TOO_LATE = Fault("too late", "Nothing breaks; agents close chats at the generation before.", 1, 1, _too_late)
KILLED_AFTER_A_WORD = Fault(
    "killed after a word", "A process is killed right after it has said something.", 0.5, 0.5, _killed_after_a_word
)
LAST_WORDS_LOST = Fault(
    "last words lost", "A process is cut off from Redis while the last words are said.", 0, 0, _last_words_lost
)


@dataclass(frozen=True)
class Mutant:
    """A promise that is taken away, and the campaign that must notice.

    Attributes:
        breaks: at least one of these invariants must break.
        fault: the name of a fault, or a fault of this module's own.
        in_worker: whether `mutant_worker` makes it; else `sql` does.
    """

    name: str
    says: str
    breaks: frozenset[str]
    fault: str | Fault
    manner: Manner = HURRIED
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
        Mutant("ack_before_commit", "acknowledge before commit", frozenset({"I1", "I9"}), KILLED_AFTER_A_WORD),
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
            Manner(warm_up_s=1.5, calm_s=0.5, thorough=False, caught_up_within_s=12),
        ),
        Mutant("publish_before_commit", "publish before commit", frozenset({"I2"}), KILLED_AFTER_A_WORD),
        Mutant("no_jitter", "no jitter", frozenset({"spread"}), "gateway.leave"),
    )
}


async def hunt(mutant: Mutant | None, faults: Sequence[str | Fault], directory: Path, seed: int = 1) -> Round:
    """Play a short campaign against a mutant, or against the true program, until something breaks."""
    worker = ("-m", "tests.chaos.mutant_worker", "--mutant", mutant.name) if mutant and mutant.in_worker else WORKER
    some = [each if isinstance(each, Fault) else all_faults()[each] for each in faults]
    steps = [Step((each,), max(each.least_s, 0.5)) for each in some]
    async with a_house(directory, gateways=2, worker=worker) as house:
        if mutant and mutant.sql:
            await _mutate(house, mutant.sql)
        return await play(house, seed, SMALL, steps, mutant.manner if mutant else HURRIED)


async def _mutate(house: House, sql: str) -> None:
    await house.sql(sql)
    # Plans that were made before go on as they were.
    await house.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
