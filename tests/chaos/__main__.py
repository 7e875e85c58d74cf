"""`python -m tests.chaos`: play the campaign. The last line on standard output is one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from tests.chaos.campaign import Manner, Round, plan, play, say
from tests.chaos.faults import all_faults
from tests.chaos.house import a_house
from tests.chaos.report import summary, write
from tests.chaos.scene import Cast

DEFAULT_SEED = 3


def main() -> int:
    """Play, report, and return the exit code: 1 if an invariant broke."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--seed", type=int, default=DEFAULT_SEED)
    asked.add_argument("--faults", help="only these, in this order, by commas", default="")
    asked.add_argument("--within", type=float, help="begin no further fault after so many seconds")
    asked.add_argument("--short", action="store_true", help="one fault of each layer, and two at once")
    asked.add_argument("--list", action="store_true", help="name the faults there are")
    asked.add_argument("--for", dest="for_s", type=float, help="play rounds with growing seeds for so many seconds")
    asked.add_argument("--reports", type=Path, default=Path("test-results/chaos"))
    given = asked.parse_args()
    if given.list:
        for name, fault in sorted(all_faults().items()):
            print(f"{name:28} {fault.says}")
        return 0
    figures = asyncio.run(_campaign(given))
    print(json.dumps(figures))
    return int("broken" in figures["invariants"].values())


async def _campaign(given: argparse.Namespace) -> dict[str, object]:
    names = [name for name in given.faults.split(",") if name] or None
    end = time.monotonic() + (given.for_s or 0)
    rounds: list[Round] = []
    async with a_house(given.reports / "logs") as house:
        while not rounds or (time.monotonic() < end and not rounds[-1].broke_off):
            seed = given.seed + len(rounds)
            say(f"seed {seed}")
            played = await play(
                house, seed, Cast(), plan(seed, names, short=given.short), Manner(within_s=given.within)
            )
            rounds.append(played)
            for name, words in played.breaches.items():
                for each in words[:10]:
                    say(f"{name} is broken: {each}")
            say(f"memory: {played.memory_mb} MB; {write(rounds, given.reports)}")
    return summary(rounds)


if __name__ == "__main__":
    sys.exit(main())
