"""The rules of the queue, whatever happens: nobody overtaken, nobody overloaded, nobody left beside a free agent."""

from hypothesis import given, settings

from app.routing.assignment import MAX_PAIRS, Candidate, Index, Pair, Place, Strategy, Waiting
from tests.pairing_moves import START_MS, Arrival, Look, Move, Removal, SlotChange, days

ORDERS = (Place("orders"),)


def moved(index: Index, move: Move, now_ms: int) -> list[Pair]:
    match move:
        case Arrival(waiting):
            return index.arrival(waiting.team, [waiting], now_ms)
        case Look(team):
            return index.arrival(team, [], now_ms)
        case SlotChange(agent):
            return index.slot_freed(agent, now_ms)
        case Removal(waiting):
            index.remove(waiting)
            return []


def arrive(index: Index, conversation: str, score: int = START_MS) -> list[Pair]:
    return index.arrival("orders", [Waiting(conversation, "orders", score)], START_MS)


@settings(max_examples=300)
@given(days)
def test_after_any_move_no_free_agent_stands_beside_a_visitor_they_may_have(day: list[Move]) -> None:
    index = Index()
    for minute, move in enumerate(day):
        moved(index, move, START_MS + minute)
        for lane in index.lanes:
            for waiting in index.in_line(lane):
                assert index.choose_agent(waiting) is None, f"{waiting} after {move}"


@settings(max_examples=300)
@given(days)
def test_nobody_is_given_more_than_they_can_take_or_what_they_cannot_or_may_not_have(day: list[Move]) -> None:
    index = Index()
    lines: dict[str, Waiting] = {}
    for minute, move in enumerate(day):
        before = dict(index.agents)
        lines |= {each.id: each for lane in index.lanes for each in index.in_line(lane)}
        if isinstance(move, Arrival):
            lines[move.waiting.id] = move.waiting
        pairs = moved(index, move, START_MS + minute)
        if isinstance(move, SlotChange) and index.agents[move.agent.id].rev == move.agent.rev:
            before[move.agent.id] = move.agent
        for agent in {pair.agent for pair in pairs}:
            theirs = [lines[pair.conversation] for pair in pairs if pair.agent == agent]
            assert index.agents[agent].load == before[agent].load + len(theirs) <= before[agent].capacity
            for place in before[agent].places:
                given_now = sum(each.team == place.team for each in theirs)
                assert place.room is None or given_now <= place.room
                assert place.strategy != "manual" or not given_now
            assert {each.team for each in theirs} <= {place.team for place in before[agent].places}
            assert all(each.may_go_to(before[agent]) for each in theirs)


@settings(max_examples=300)
@given(days)
def test_nobody_is_overtaken_in_their_lane_but_where_the_agent_could_not_be_theirs(day: list[Move]) -> None:
    index = Index()
    for minute, move in enumerate(day):
        lines = {each.id: each for lane in index.lanes for each in index.in_line(lane)}
        if isinstance(move, Arrival):
            lines.setdefault(move.waiting.id, move.waiting)
        pairs = moved(index, move, START_MS + minute)
        for number, pair in enumerate(pairs):
            agent, served = index.agents[pair.agent], lines[pair.conversation]
            later = {each.conversation for each in pairs[number + 1 :]}
            for other in lines.values():
                left = other.id in later or other.id in index.lanes.get(other.lane, {})
                if left and other.lane == served.lane and (other.score, other.id) < (pair.score, pair.conversation):
                    now = index.lanes.get(other.lane, {}).get(other.id, other)
                    assert not now.may_go_to(agent), f"{other} was overtaken by {served}"


def test_the_least_busy_comes_first_then_the_longest_unused_then_the_smaller_id() -> None:
    def chosen(*agents: Candidate) -> str:
        found = Index(agents={agent.id: agent for agent in agents}).choose_agent(Waiting("c01", "orders", START_MS))
        assert found is not None
        return found.id

    def agent(name: str, load: int, capacity: int, last_s: int) -> Candidate:
        return Candidate(name, load, capacity, START_MS + last_s * 1000, ORDERS)

    assert chosen(agent("ana", 1, 2, 0), agent("ben", 1, 4, 9)) == "ben", "a quarter busy before half busy"
    assert chosen(agent("ana", 1, 2, 9), agent("ben", 2, 4, 0)) == "ben", "equally busy: longest since the last one"
    assert chosen(agent("ben", 1, 2, 0), agent("ana", 1, 2, 0)) == "ana", "equal in all: the smaller id"


def test_an_older_word_about_an_agent_changes_nothing() -> None:
    index = Index()
    index.slot_freed(Candidate("ana", 4, 4, START_MS, ORDERS, rev=7), START_MS)
    arrive(index, "c01")
    assert index.slot_freed(Candidate("ana", 0, 4, START_MS, ORDERS, rev=6), START_MS) == []
    assert index.slot_freed(Candidate("ana", 3, 4, START_MS, ORDERS, rev=8), START_MS) == [
        Pair("c01", "ana", "orders", START_MS)
    ]


def test_an_agent_without_capacity_or_team_gets_nobody() -> None:
    index = Index()
    arrive(index, "c01")
    assert index.slot_freed(Candidate("ana", 0, 0, START_MS, ORDERS), START_MS) == []
    assert index.slot_freed(Candidate("ben", 0, 4, START_MS, (Place("repairs"),)), START_MS) == []
    assert index.slot_freed(Candidate("eve", 0, 4, START_MS, ()), START_MS) == []


def test_a_rush_is_drained_in_bounded_steps() -> None:
    index = Index()
    for number in range(100):
        arrive(index, f"c{number:03}", START_MS + number)
    ana = Candidate("ana", 0, 100, START_MS, ORDERS)
    first = index.slot_freed(ana, START_MS)
    second = index.slot_freed(index.agents["ana"], START_MS)
    assert (len(first), len(second)) == (MAX_PAIRS, 100 - MAX_PAIRS)
    assert [pair.conversation for pair in first + second] == [f"c{number:03}" for number in range(100)]


def test_each_strategy_goes_by_its_own() -> None:
    def chosen(strategy: Strategy, *agents: tuple[str, int, int, int]) -> str:
        index = Index()
        for name, load, last_s, free_s in agents:
            places = (Place("orders", strategy),)
            last, free = START_MS + last_s * 1000, START_MS + free_s * 1000
            index.agents[name] = Candidate(name, load, 4, last, places, free_ms=free)
        found = index.choose_agent(Waiting("c01", "orders", START_MS))
        return found.id if found else "nobody"

    # (name, load, last assignment, last end of a chat)
    ana, ben, eve = ("ana", 0, 9, 5), ("ben", 2, 1, 8), ("eve", 3, 5, 2)
    assert chosen("least_busy", ana, ben, eve) == "ana"
    assert chosen("round_robin", ana, ben, eve) == "ben"
    assert chosen("longest_idle", ana, ben, eve) == "eve"
    assert chosen("manual", ana, ben, eve) == "nobody"


def test_who_needs_a_skill_waits_for_somebody_who_has_it_and_the_others_go_on() -> None:
    index = Index()
    index.arrival("orders", [Waiting("c01", "orders", START_MS, ("de",))], START_MS)
    arrive(index, "c02", START_MS + 1)
    assert index.slot_freed(Candidate("ana", 0, 4, START_MS, ORDERS), START_MS) == [
        Pair("c02", "ana", "orders", START_MS + 1)
    ]
    assert index.slot_freed(Candidate("ben", 0, 4, START_MS, ORDERS, skills=("de", "fr")), START_MS) == [
        Pair("c01", "ben", "orders+de", START_MS)
    ]


def test_a_team_s_share_of_an_agent_is_not_exceeded() -> None:
    index = Index()
    for number in range(4):
        arrive(index, f"c{number}", START_MS + number)
    both = (Place("orders", room=2), Place("repairs"))
    pairs = index.slot_freed(Candidate("ana", 0, 9, START_MS, both), START_MS)
    assert [pair.conversation for pair in pairs] == ["c0", "c1"]
    repair = Waiting("c9", "repairs", START_MS)
    assert [pair.agent for pair in index.arrival("repairs", [repair], START_MS)] == ["ana"]


def test_who_is_reserved_or_declined_lets_others_pass_and_keeps_their_place() -> None:
    index = Index()
    first = Waiting("c01", "orders", START_MS, reserved_for="eve")
    index.arrival("orders", [first], START_MS)
    index.arrival("orders", [Waiting("c02", "orders", START_MS + 1, declined_by=("ana",))], START_MS)
    arrive(index, "c03", START_MS + 2)
    ana = Candidate("ana", 0, 1, START_MS, ORDERS)
    assert [pair.conversation for pair in index.slot_freed(ana, START_MS)] == ["c03"]
    arrive(index, "c04", START_MS + 3)
    # The reservation is over: the old score counts.
    index.arrival("orders", [Waiting("c01", "orders", START_MS + 999)], START_MS)
    pairs = index.slot_freed(Candidate("ben", 0, 3, START_MS, ORDERS), START_MS)
    assert [pair.conversation for pair in pairs] == ["c01", "c02", "c04"]
    assert pairs[0].score == START_MS


def test_somebody_who_has_no_lane_of_their_own_does_not_hold_up_those_behind_them() -> None:
    index = Index()
    index.slot_freed(Candidate("ana", 0, 2, START_MS, ORDERS), START_MS)
    index.arrival("orders", [Waiting("c01", "orders", START_MS, declined_by=("ana",))], START_MS)
    assert [pair.conversation for pair in arrive(index, "c02", START_MS + 1)] == ["c02"]
    assert [each.id for each in index.in_line("orders")] == ["c01"]


def test_the_longest_idle_is_nobody_who_has_just_been_given_something() -> None:
    index = Index()
    for name in ("ana", "ben"):
        index.slot_freed(Candidate(name, 0, 4, START_MS, (Place("orders", "longest_idle"),)), START_MS)
    pairs = [index.arrival("orders", [Waiting(f"c{n}", "orders", START_MS + n)], START_MS + n) for n in range(1, 5)]
    assert [pair.agent for (pair,) in pairs] == ["ana", "ben", "ana", "ben"]
