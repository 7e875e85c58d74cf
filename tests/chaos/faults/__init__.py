"""What is broken. Each fault is one small function that breaks something, yields while it is broken, and mends it.

    @fault("redis.flushall", 1, 3)
    async def flushall(field: Field) -> AsyncIterator[None]: ...

The two numbers are the least and the most seconds that it lasts. A module that is named in MODULES is found by itself,
and every fault comes at least once in each round.
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.evidence import Outage
from tests.chaos.house import Gateway, House
from tests.chaos.scene import Scene

MODULES = ("clients", "gateways", "postgres", "redis")


@dataclass
class Field:
    """What a fault may break, and by what chance.

    Attributes:
        chance: this fault's own, from the round's seed.
        beside: the names of all faults that come together now.
        outages: where a fault notes that a server was certainly away.
    """

    house: House
    scene: Scene
    chance: random.Random
    beside: str
    outages: list[Outage] = field(default_factory=list)

    def some_gateway(self) -> Gateway:
        """Pick a server process."""
        return self.chance.choice(self.house.gateways)

    @asynccontextmanager
    async def away(self, server: str, fault: str) -> AsyncIterator[None]:
        """Note that a server is certainly away while the block runs."""
        began = self.scene.ledger.tick()
        try:
            yield
        finally:
            self.outages.append(Outage(server, fault, self.beside, began, self.scene.ledger.tick(), time.monotonic()))


Break = Callable[[Field], AsyncIterator[None]]


@dataclass(frozen=True)
class Fault:
    """A fault: its name (`what.how`), what it does in a sentence, and how long it lasts."""

    name: str
    says: str
    least_s: float
    most_s: float
    breaks: Callable[[Field], AbstractAsyncContextManager[None]]


_FAULTS: dict[str, Fault] = {}


def fault(name: str, least_s: float, most_s: float) -> Callable[[Break], Break]:
    """Say that a function is a fault."""

    def remember(breaks: Break) -> Break:
        says = (breaks.__doc__ or name).splitlines()[0]
        _FAULTS[name] = Fault(name, says, least_s, most_s, asynccontextmanager(breaks))
        return breaks

    return remember


def all_faults() -> dict[str, Fault]:
    """Return every fault there is, by name."""
    for module in MODULES:
        importlib.import_module(f"{__name__}.{module}")
    return dict(_FAULTS)
