"""Random days at the desk: what may happen to the queue's index, for the rules and the scripts alike."""

from dataclasses import dataclass

from hypothesis import strategies as st

from app.routing.assignment import SINCE_MS, Candidate

TEAMS = ("billing", "orders", "repairs")
AGENTS = ("ada", "ana", "ben", "eve")
CONVERSATIONS = tuple(f"c{number:02}" for number in range(16))
START_MS = SINCE_MS + 10_000_000


@dataclass(frozen=True)
class Arrival:
    team: str
    conversation: str
    score: int


@dataclass(frozen=True)
class SlotChange:
    agent: Candidate


@dataclass(frozen=True)
class Removal:
    team: str
    conversation: str


Move = Arrival | SlotChange | Removal

# A conversation belongs to one team; few scores and moments, so that many of them are equal.
_arrivals = st.builds(
    lambda number, score: Arrival(TEAMS[number % 3], CONVERSATIONS[number], START_MS + score),
    st.integers(0, len(CONVERSATIONS) - 1),
    st.integers(0, 5),
)
_removals = st.builds(
    lambda number: Removal(TEAMS[number % 3], CONVERSATIONS[number]), st.integers(0, len(CONVERSATIONS) - 1)
)
_slot_changes = st.builds(
    lambda agent, load, capacity, last, teams, rev: SlotChange(
        Candidate(agent, load, capacity, START_MS + last * 1000 - 3000, tuple(sorted(teams)), rev)
    ),
    st.sampled_from(AGENTS),
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 3),
    st.sets(st.sampled_from(TEAMS)),
    st.integers(0, 4),
)
days = st.lists(st.one_of(_arrivals, _arrivals, _slot_changes, _removals), min_size=1, max_size=40)
