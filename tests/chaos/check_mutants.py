"""Each mutant breaks an invariant; the program as it is breaks none under the same faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import Fault
from tests.chaos.mutants import (
    CHOOSY,
    KILLED_AFTER_A_RUMOUR,
    KILLED_AFTER_AN_OK,
    LAST_WORDS_LOST,
    MUTANTS,
    NOBODY_WANTS_THEM,
    NOTHING,
    SMALL,
    TIMES,
    TOO_LATE,
    hunt,
)
from tests.chaos.scene import Cast

TALK = (TOO_LATE, "clients.reply_lost", KILLED_AFTER_AN_OK, KILLED_AFTER_A_RUMOUR, "gateway.leave", LAST_WORDS_LOST)
QUEUE = (NOTHING, NOBODY_WANTS_THEM, NOTHING)


@pytest.mark.parametrize("name", sorted(MUTANTS))
async def test_a_mutant_is_caught(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    played = await hunt(mutant, [mutant.fault] * TIMES, tmp_path)
    broken = {rule for rule, words in played.breaches.items() if words}
    assert broken & mutant.breaks, f"{mutant.says} broke {broken or 'nothing'}"
    assert "harness" not in broken, played.breaches["harness"]


@pytest.mark.parametrize(("cast", "faults"), [(SMALL, TALK), (CHOOSY, QUEUE)], ids=["talk", "queue"])
async def test_the_program_as_it_is_breaks_nothing(cast: Cast, faults: list[str | Fault], tmp_path: Path) -> None:
    played = await hunt(None, faults, tmp_path, cast=cast)
    assert {rule: words for rule, words in played.breaches.items() if words} == {}
    assert len(played.faults) == len(faults)
    assert played.scene.ledger.acks
