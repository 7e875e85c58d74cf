"""The rules of the queue, whatever happens: nobody overtaken, nobody overloaded, nobody left beside a free agent."""

from hypothesis import given, settings

from app.routing.assignment import MAX_PAIRS, Candidate, Index, Pair
from tests.pairing_moves import START_MS, TEAMS, Arrival, Move, Removal, SlotChange, days


def moved(index: Index, move: Move, now_ms: int) -> list[Pair]:
    match move:
        case Arrival(team, conversation, score):
            return index.arrival(team, conversation, score, now_ms)
        case SlotChange(agent):
            return index.slot_freed(agent, now_ms)
        case Removal(team, conversation):
            index.queues.get(team, {}).pop(conversation, None)
            return []


@settings(max_examples=150)
@given(days)
def test_after_any_move_no_free_agent_stands_beside_a_waiting_visitor(day: list[Move]) -> None:
    index = Index()
    for minute, move in enumerate(day):
        moved(index, move, START_MS + minute)
        for team in TEAMS:
            assert not (index.next_waiting(team) and index.choose_agent(team)), f"{team} after {move}"


@settings(max_examples=150)
@given(days)
def test_no_agent_is_ever_given_more_than_they_can_take(day: list[Move]) -> None:
    index = Index()
    for minute, move in enumerate(day):
        before = dict(index.agents)
        pairs = moved(index, move, START_MS + minute)
        if isinstance(move, SlotChange) and index.agents[move.agent.id].rev == move.agent.rev:
            before[move.agent.id] = move.agent
        for agent in {pair.agent for pair in pairs}:
            given_now = sum(pair.agent == agent for pair in pairs)
            assert index.agents[agent].load == before[agent].load + given_now <= before[agent].capacity
            assert all(pair.team in index.agents[agent].teams for pair in pairs if pair.agent == agent)


@settings(max_examples=150)
@given(days)
def test_nobody_is_overtaken_in_their_own_queue(day: list[Move]) -> None:
    index = Index()
    for minute, move in enumerate(day):
        pairs = moved(index, move, START_MS + minute)
        assert [pair.score for pair in pairs] == sorted(pair.score for pair in pairs)
        for team in TEAMS:
            served = [(pair.score, pair.conversation) for pair in pairs if pair.team == team]
            left = [(score, conversation) for conversation, score in index.queues.get(team, {}).items()]
            assert served == sorted(served)
            assert not served or not left or max(served) < min(left)


def test_the_least_busy_comes_first_then_the_longest_unused_then_the_smaller_id() -> None:
    def chosen(*agents: Candidate) -> str:
        found = Index(agents={agent.id: agent for agent in agents}).choose_agent("orders")
        assert found is not None
        return found.id

    def agent(name: str, load: int, capacity: int, last_s: int) -> Candidate:
        return Candidate(name, load, capacity, START_MS + last_s * 1000, ("orders",))

    assert chosen(agent("ana", 1, 2, 0), agent("ben", 1, 4, 9)) == "ben", "a quarter busy before half busy"
    assert chosen(agent("ana", 1, 2, 9), agent("ben", 2, 4, 0)) == "ben", "equally busy: longest since the last one"
    assert chosen(agent("ben", 1, 2, 0), agent("ana", 1, 2, 0)) == "ana", "equal in all: the smaller id"


def test_an_older_word_about_an_agent_changes_nothing() -> None:
    index = Index()
    index.slot_freed(Candidate("ana", 4, 4, START_MS, ("orders",), rev=7), START_MS)
    index.arrival("orders", "c01", START_MS, START_MS)
    assert index.slot_freed(Candidate("ana", 0, 4, START_MS, ("orders",), rev=6), START_MS) == []
    assert index.slot_freed(Candidate("ana", 3, 4, START_MS, ("orders",), rev=8), START_MS) == [
        Pair("c01", "ana", "orders", START_MS)
    ]


def test_an_agent_without_capacity_or_team_gets_nobody() -> None:
    index = Index()
    index.arrival("orders", "c01", START_MS, START_MS)
    assert index.slot_freed(Candidate("ana", 0, 0, START_MS, ("orders",)), START_MS) == []
    assert index.slot_freed(Candidate("ben", 0, 4, START_MS, ("repairs",)), START_MS) == []
    assert index.slot_freed(Candidate("eve", 0, 4, START_MS, ()), START_MS) == []


def test_a_rush_is_drained_in_bounded_steps() -> None:
    index = Index()
    for number in range(100):
        index.arrival("orders", f"c{number:03}", START_MS + number, START_MS)
    ana = Candidate("ana", 0, 100, START_MS, ("orders",))
    first = index.slot_freed(ana, START_MS)
    second = index.slot_freed(index.agents["ana"], START_MS)
    assert (len(first), len(second)) == (MAX_PAIRS, 100 - MAX_PAIRS)
    assert [pair.conversation for pair in first + second] == [f"c{number:03}" for number in range(100)]
