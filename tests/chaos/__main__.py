"""`python -m tests.chaos`: play the campaign. The last line on standard output is one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.chaos.campaign import plan, play, say
from tests.chaos.faults import all_faults
from tests.chaos.house import a_house
from tests.chaos.report import summary
from tests.chaos.scene import Cast

DEFAULT_SEED = 3


def main() -> int:
    """Play, report, and return the exit code: 1 if an invariant broke."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--seed", type=int, default=DEFAULT_SEED)
    asked.add_argument("--faults", help="only these, in this order, by commas", default="")
    asked.add_argument("--list", action="store_true", help="name the faults there are")
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
    async with a_house(given.reports / "logs") as house:
        played = await play(house, given.seed, Cast(), plan(given.seed, names))
    for name, words in played.breaches.items():
        for each in words[:10]:
            say(f"{name} broken: {each}")
    return summary([played])


if __name__ == "__main__":
    sys.exit(main())
