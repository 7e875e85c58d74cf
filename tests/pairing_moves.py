"""Random days at the desk: what may happen to the queue's index, for the rules and the scripts alike."""

from dataclasses import dataclass

from hypothesis import strategies as st

from app.routing.assignment import SINCE_MS, Candidate, Place, Waiting

TEAMS = ("billing", "orders", "repairs")
AGENTS = ("ada", "ana", "ben", "eve")
SKILLS = ("de", "vip")
CONVERSATIONS = tuple(f"c{number:02}" for number in range(16))
START_MS = SINCE_MS + 10_000_000


@dataclass(frozen=True)
class Arrival:
    waiting: Waiting


@dataclass(frozen=True)
class Look:
    """All lanes of a team are looked at again."""

    team: str


@dataclass(frozen=True)
class SlotChange:
    agent: Candidate


@dataclass(frozen=True)
class Removal:
    waiting: Waiting


Move = Arrival | Look | SlotChange | Removal


def _waiting(number: int, score: int, reserved: str | None, declined: frozenset[str]) -> Waiting:
    """A conversation belongs to one lane, whatever else is said of it."""
    skills = ((), ("de",), ("de", "vip"))[number % 5 % 3]
    return Waiting(
        CONVERSATIONS[number], TEAMS[number % 3], START_MS + score, skills, reserved, tuple(sorted(declined))
    )


# Few scores and moments, so that many of them are equal; most may go to anybody.
_waitings = st.builds(
    _waiting,
    st.integers(0, len(CONVERSATIONS) - 1),
    st.integers(0, 5),
    st.sampled_from((None, None, None, *AGENTS)),
    st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(AGENTS), max_size=3)),
)
_places = st.lists(
    st.builds(
        Place,
        st.sampled_from(TEAMS),
        st.sampled_from(("least_busy", "least_busy", "round_robin", "longest_idle", "manual")),
        st.sampled_from((None, None, 0, 1, 2)),
    ),
    unique_by=lambda place: place.team,
).map(lambda places: tuple(sorted(places, key=lambda place: place.team)))
_slot_changes = st.builds(
    lambda agent, load, capacity, last, places, rev, free, skills: SlotChange(
        Candidate(agent, load, capacity, START_MS + last * 1000 - 3000, places, rev, START_MS + free * 1000, skills)
    ),
    st.sampled_from(AGENTS),
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 3),
    _places,
    st.integers(0, 4),
    st.integers(-20_000, 3),
    st.sets(st.sampled_from(SKILLS)).map(lambda skills: tuple(sorted(skills))),
)
_arrivals = st.builds(Arrival, _waitings)
days = st.lists(
    st.one_of(
        _arrivals, _arrivals, _slot_changes, st.builds(Removal, _waitings), st.builds(Look, st.sampled_from(TEAMS))
    ),
    min_size=1,
    max_size=40,
)
