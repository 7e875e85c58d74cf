"""Each of the six mutants breaks an invariant; the program as it is breaks none under the same faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.mutants import KILLED_AFTER_A_WORD, LAST_WORDS_LOST, MUTANTS, TIMES, TOO_LATE, hunt


@pytest.mark.parametrize("name", sorted(MUTANTS))
async def test_a_mutant_is_caught(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    played = await hunt(mutant, [mutant.fault] * TIMES, tmp_path)
    broken = {rule for rule, words in played.breaches.items() if words}
    assert broken & mutant.breaks, f"{mutant.says} broke {broken or 'nothing'}"
    assert "harness" not in broken, played.breaches["harness"]


async def test_the_program_as_it_is_breaks_nothing(tmp_path: Path) -> None:
    faults = [TOO_LATE, "clients.reply_lost", KILLED_AFTER_A_WORD, "gateway.leave", LAST_WORDS_LOST]
    played = await hunt(None, faults, tmp_path)
    assert {rule: words for rule, words in played.breaches.items() if words} == {}
    assert len(played.faults) == len(faults)
    assert played.scene.ledger.acks
