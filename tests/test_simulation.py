"""The simulated desk: it obeys the rules, agrees with the theory, and is the same again from the same seed."""

import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from xml.etree import ElementTree

import pytest

from app.routing.patience import ANSWER_S, DECLINED_S, MOST_MISSED
from app.simulation.arrivals import DAY_S, HOUR_S, Arrival, Demand, drawn
from app.simulation.comparison import Scene, compare
from app.simulation.desk import AWAY_S, Desk
from app.simulation.figures import figures_of, gini, percentile
from app.simulation.policy import Policy, policy_of
from app.simulation.staff import Impossible, Worker, daily, worker_of
from app.simulation.visit import Visit

BUSY = Demand(
    [70.0], hours=6, patience_s=240, handle_s=480, handle_sd_s=400, skill="de", skill_share=0.3, returning=0.3,
    priority_share=0.1, boost_s=120,
)  # fmt: skip
PEOPLE = [
    Worker("Ana", 3, ("de",)),
    Worker("Ben", 2),
    Worker("Mei", 4, ("de",), daily("1-4", 1)),
    Worker("Ada", 1, (), ((0.0, 2 * HOUR_S), (3 * HOUR_S, 5 * HOUR_S))),
]
POLICIES = [
    Policy("usual"),
    Policy("in turn", "round_robin", sticky_s=0, capacity=2),
    Policy("idle", "longest_idle", share=1, boost_s=600),
    Policy("more", skills=False, agents=6),
    Policy("asked", mode="offer", answer_s=9, declined=10, missed=20),
    Policy("short", limit=3),
    Policy("helped", "round_robin", limit=8, overflow_s=90, backup=2, mode="offer", declined=5, missed=5),
]


def busy(seed: int = 3) -> list[Arrival]:
    return drawn(BUSY, Random(seed))


def alone(at_s: float, visitor: str = "Vera", patience_s: float = math.inf, **details: object) -> Arrival:
    return Arrival(at_s, visitor, patience_s, 100.0, **details)  # pyright: ignore[reportArgumentType]


def most_at_once(visits: Sequence[Visit], agent: str) -> int:
    moves = sorted(
        move
        for visit in visits
        if visit.agent == agent and visit.assigned_s is not None and visit.ended_s is not None
        # At one moment a chat ends before the next begins.
        for move in ((visit.assigned_s, 1), (visit.ended_s, -1))
    )
    here = most = 0
    for _, step in moves:
        here += step
        most = max(most, here)
    return most


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_everybody_is_served_gives_up_is_turned_away_or_still_waits(policy: Policy) -> None:
    desk = Desk(busy(), PEOPLE, policy)
    visits = desk.run()
    assert len(visits) == len(busy()) > 300
    for visit in visits:
        ends = (visit.agent is not None, visit.gave_up_s is not None, visit.turned_away)
        assert sum(ends) == 1, "all are impatient: nobody is left waiting"
        assert (visit.agent is None) == (visit.assigned_s is None) == (visit.ended_s is None)
        if visit.wait_s is not None:
            assert 0 <= visit.wait_s <= visit.arrival.patience_s
    found = figures_of(policy.name, visits, desk.staff, 60, desk.backup)
    assert found.arrivals == found.served + found.gave_up + found.still_waiting + found.turned_away
    assert found.served == sum(load.chats for load in found.agents)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_nobody_has_more_chats_than_they_can_or_chats_that_they_cannot(policy: Policy) -> None:
    desk = Desk(busy(), PEOPLE, policy)
    visits = desk.run()
    able = {worker.name: worker for worker in [*desk.staff, *desk.backup]}
    for worker in able.values():
        most = min(worker.capacity, policy.share or worker.capacity)
        assert most_at_once(visits, worker.name) <= most
    assert any(most_at_once(visits, worker.name) == worker.capacity for worker in desk.staff) or policy.share
    for visit in visits:
        if visit.agent is not None and visit.assigned_s is not None:
            worker = able[visit.agent]
            assert not policy.skills or set(visit.arrival.skills) <= set(worker.skills)
            # Who was asked just before the end of their shift still answers.
            late_s = policy.answer_s if policy.mode == "offer" else 0
            assert any(since <= visit.assigned_s <= until + late_s for since, until in worker.shifts)


def test_the_same_seed_gives_the_same_figures_and_another_others() -> None:
    def figures(seed: int) -> object:
        return compare(Scene(busy(seed), PEOPLE), POLICIES, seed)

    assert figures(3) == figures(3)
    assert figures(3) != figures(4)


def test_waits_agree_with_erlangs_formula() -> None:
    """M/M/c: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic
    telephone exchanges" (1917)."""
    agents, per_hour, handle_s = 4, 24.0, 480.0
    offered = per_hour / HOUR_S * handle_s
    assert offered == pytest.approx(3.2)
    blocked = 1.0
    for c in range(1, agents + 1):
        blocked = offered * blocked / (c + offered * blocked)
    used = offered / agents
    waits = blocked / (1 - used * (1 - blocked))
    mean_s = waits * handle_s / (agents - offered)

    demand = Demand([per_hour], hours=500, patience_s=0, handle_s=handle_s)
    visits = Desk(drawn(demand, Random(11)), [Worker(f"a{i}", 1) for i in range(agents)], Policy("plain")).run()
    found = [visit.wait_s for visit in visits if visit.wait_s is not None]
    assert len(found) == len(visits) > 10_000
    assert sum(wait > 0 for wait in found) / len(found) == pytest.approx(waits, rel=0.07)
    assert sum(found) / len(found) == pytest.approx(mean_s, rel=0.15)


def test_a_kept_visitor_waits_for_their_agent_and_then_for_anybody_at_their_old_place() -> None:
    people = [Worker("Ana", 1), Worker("Ben", 1)]
    # Ben serves Vic. Ana serves Vera, then Vlad; Vera is back while Ana is busy and Ben idle.
    day = [
        alone(0, "Vera"),
        Arrival(1, "Vic", math.inf, 104),
        Arrival(101, "Vlad", math.inf, 60),
        Arrival(106, "Vera", math.inf, 50),
    ]
    kept = Desk(day, people, Policy("kept", sticky_s=30)).run()[-1]
    assert (kept.agent, kept.wait_s) == ("Ben", 30)
    longer = Desk(day, people, Policy("longer", sticky_s=300)).run()[-1]
    assert (longer.agent, longer.wait_s) == ("Ana", 55)
    not_kept = Desk(day, people, Policy("not kept", sticky_s=0)).run()[-1]
    assert (not_kept.agent, not_kept.wait_s) == ("Ben", 0)


def test_a_boost_passes_only_those_who_came_less_than_it_before() -> None:
    day = [alone(0, "Vic"), alone(10, "Vlad"), alone(60, "Vera", boost_s=40), alone(70, "Vida", boost_s=40)]
    order = [(20, ["Vlad", "Vera", "Vida"]), (55, ["Vera", "Vlad", "Vida"]), (900, ["Vera", "Vida", "Vlad"])]
    for boost_s, expected in order:
        visits = Desk(day, [Worker("Ana", 1)], Policy("boosted", boost_s=boost_s)).run()
        later = sorted(visits[1:], key=lambda visit: visit.assigned_s or 0)
        assert [visit.arrival.visitor for visit in later] == expected


def test_a_visitor_for_whom_nobody_is_there_is_turned_away_unless_the_line_was_open() -> None:
    people = [Worker("Ana", 1, (), daily("9-17", 1))]
    day = [alone(8 * HOUR_S, "Early"), alone(16.999 * HOUR_S, "Last"), alone(17 * HOUR_S, "Late")]
    early, last, late = Desk(day, people, Policy("usual")).run()
    assert early.turned_away
    assert late.turned_away
    assert last.agent == "Ana"
    assert last.ended_s is not None
    assert last.ended_s > 17 * HOUR_S, "a chat is finished after the shift"
    early, _, late = Desk(day, people, Policy("usual"), turns_away=False).run()
    assert early.wait_s == HOUR_S
    assert (late.agent, late.gave_up_s, late.turned_away) == (None, None, False)


def test_who_is_asked_answers_after_a_while_and_a_visitor_who_leaves_meanwhile_gives_the_agent_back() -> None:
    day = [alone(0, "Vera", patience_s=3), alone(1, "Vic")]
    vera, vic = Desk(day, [Worker("Ana", 1)], Policy("asked", mode="offer", answer_s=8)).run()
    assert (vera.agent, vera.gave_up_s) == (None, 3)
    assert (vic.assigned_s, vic.ended_s) == (3 + 8, 3 + 8 + 100)


def test_who_misses_two_in_a_row_is_away_and_who_missed_somebody_is_not_asked_about_them_for_a_minute() -> None:
    """Ana never answers, Ben always does: the rules are those of `app/routing/offers.py`."""

    class Absent(Random):
        """Draws a miss for the first answers, then what is accepted."""

        def __init__(self, misses: int) -> None:
            super().__init__(1)
            self.misses = misses

        def random(self) -> float:
            self.misses -= 1
            return 0.0 if self.misses >= 0 else 0.99

    policy = Policy("asked", mode="offer", answer_s=8, missed=1)

    def run(misses: int, *people: Worker, visitors: int = 1) -> list[Visit]:
        desk = Desk([alone(number, f"v{number}") for number in range(visitors)], people, policy)
        desk._chance = Absent(misses)  # pyright: ignore[reportPrivateUsage]
        return desk.run()

    (vera,) = run(1, Worker("Ana", 1), Worker("Ben", 1))
    assert (vera.agent, vera.wait_s) == ("Ben", ANSWER_S + 8)
    (vera,) = run(1, Worker("Ana", 1))
    assert vera.wait_s == ANSWER_S + DECLINED_S + 8, "nobody else is there: she is asked again a minute later"
    assert MOST_MISSED == 2
    vera, vic = run(2, Worker("Ana", 1), visitors=2)
    # She missed Vera, then Vic, and is away; when she is back, Vera came first.
    assert vera.wait_s == 2 * ANSWER_S + AWAY_S + 8
    assert vic.wait_s == 2 * ANSWER_S + AWAY_S + 8 + 100 + 8 - 1


def test_a_full_line_takes_nobody_more_and_who_is_being_asked_for_is_not_in_it() -> None:
    people = [Worker("Ana", 1)]
    day = [alone(0, "Vera"), alone(1, "Vic"), alone(2, "Vlad"), alone(3, "Vida")]
    vera, vic, vlad, vida = Desk(day, people, Policy("short", limit=2)).run()
    assert [each.turned_away for each in (vera, vic, vlad, vida)] == [False, False, False, True]
    vera, vic, vlad, vida = Desk(day, people, Policy("asked", limit=2, mode="offer")).run()
    assert [each.turned_away for each in (vera, vic, vlad, vida)] == [False, False, False, True]
    found = figures_of("short", [vera, vic, vlad, vida], people, 60)
    assert (found.arrivals, found.served, found.turned_away) == (4, 3, 1)


def test_who_waits_long_or_finds_the_line_full_or_nobody_there_goes_to_the_other_team() -> None:
    people = [Worker("Ana", 1, ("de",), daily("0-8", 1))]
    helped = Policy("helped", limit=1, overflow_s=30, backup=1)
    day = [alone(0, "Vera"), alone(1, "Vic", skills=("de",)), alone(2, "Vlad"), alone(9 * HOUR_S, "Vida")]
    desk = Desk(day, people, helped)
    vera, vic, vlad, vida = desk.run()
    assert [each.agent for each in (vera, vic, vlad, vida)] == ["Ana", *3 * ["backup 1"]]
    assert [each.overflowed for each in (vera, vic, vlad, vida)] == [False, True, True, True]
    # Vlad found the line full; Vic went over after half a minute, and waits there until Vlad's chat is over.
    assert [each.wait_s for each in (vic, vlad, vida)] == [101, 0, 0]
    found = figures_of("helped", [vera, vic, vlad, vida], desk.staff, 60, desk.backup)
    assert (found.overflowed, found.turned_away) == (3, 0)
    assert [load.agent for load in found.agents] == ["Ana", "backup 1"]
    assert found.gini_load == 0, "the other team's agents are not compared"
    # The other team's one is like Ben, who cannot help.
    _, vic = Desk(day[:2], [Worker("Ben", 0), *people], helped).run()
    assert (vic.agent, vic.overflowed) == ("Ana", False)


def test_chats_take_longer_beside_others_by_the_formula() -> None:
    day = [alone(0, "Vera"), alone(1, "Vic"), alone(2, "Vlad")]
    visits = Desk(day, [Worker("Ana", 3)], Policy("usual"), slowdown=0.2).run()
    lengths = [visit.ended_s - visit.assigned_s for visit in visits if visit.ended_s and visit.assigned_s is not None]
    assert lengths == pytest.approx([100, 120, 140])


def test_arrivals_follow_the_hours_and_the_distributions() -> None:
    rates = [0.0] * 9 + [120.0] * 8 + [0.0] * 7
    found = drawn(Demand(rates, 48, patience_s=200, handle_s=400, handle_sd_s=200, returning=0.2), Random(5))
    by_hour = Counter(int(each.at_s % DAY_S // HOUR_S) for each in found)
    assert set(by_hour) == set(range(9, 17))
    n = len(found)
    assert n == pytest.approx(2 * 8 * 120, rel=0.1)
    lengths = [each.handle_s for each in found]
    mean = sum(lengths) / n
    assert mean == pytest.approx(400, rel=0.05)
    assert math.sqrt(sum((length - mean) ** 2 for length in lengths) / n) == pytest.approx(200, rel=0.1)
    assert sum(each.patience_s for each in found) / n == pytest.approx(200, rel=0.1)
    assert 1 - len({each.visitor for each in found}) / n == pytest.approx(0.2, abs=0.04)
    assert all(each.patience_s == math.inf for each in drawn(Demand([60.0], 1, 0, 400), Random(5)))


def test_gini_is_nought_for_equals_and_grows_with_inequality() -> None:
    assert gini([5, 5, 5]) == 0
    assert gini([0, 0, 0, 8]) == 0.75
    # By the definition: Σᵢ Σⱼ |xᵢ - xⱼ| ÷ (2n² · mean).
    assert gini([3, 1, 2]) == round(8 / (2 * 9 * 2), 4)
    assert gini([0, 0]) is None
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([], 0.5) is None


def test_shifts_pass_midnight_and_hours_are_read() -> None:
    assert daily("9-17:30", 2) == ((9 * HOUR_S, 17.5 * HOUR_S), (33 * HOUR_S, 41.5 * HOUR_S))
    assert daily("22-6", 1) == ((0, 6 * HOUR_S), (22 * HOUR_S, 30 * HOUR_S))
    assert daily("0-24", 2) == ((0, 48 * HOUR_S),)
    ana = worker_of("Ana: capacity=3,skills=en+de,shift=9-17", 2, ((0.0, math.inf),), 1)
    assert ana == Worker("Ana", 3, ("de", "en"), daily("9-17", 1))


@pytest.mark.parametrize("words", ["", "9", "9-25", "9-9", "9:61-17", "nine-five"])
def test_a_shift_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(Impossible, match="is no shift"):
        daily(words, 1)


def test_a_policy_is_read_over_what_is_set() -> None:
    base = Policy("as set", "longest_idle", sticky_s=45, share=2)
    words = "mine: strategy=round_robin, capacity=4,skills=off,boost=60,agents=7"
    assert policy_of(words, base) == Policy("mine", "round_robin", 45, 4, 2, False, 60, 7)
    assert policy_of("same", base) == Policy("same", "longest_idle", 45, share=2)
    asked = policy_of("asked: mode=offer,answer=8,declined=5,missed=3,limit=20,overflow=60,backup=2,share=off", base)
    assert (asked.mode, asked.answer_s, asked.declined, asked.missed) == ("offer", 8, 5, 3)
    assert (asked.limit, asked.overflow_s, asked.backup, asked.share) == (20, 60, 2, None)
    for wrong in (
        ":", "a: strategy=manual", "a: skills=yes", "a: share=0", "a: sticky=1.5", "a: colour=red", "a: mode=asked",
        "a: answer=5", "a: mode=offer,answer=21", "a: overflow=60", "a: limit=0", "a: sticky=off",
    ):  # fmt: skip
        with pytest.raises(Impossible, match="--policy"):
            policy_of(wrong, base)


def test_the_drawing_is_well_formed_whatever_the_names_and_even_without_visitors() -> None:
    odd = Policy("<b>\"&' 日本")
    _, drawing = compare(Scene(busy(), PEOPLE), [odd, *POLICIES], 3)
    root = ElementTree.fromstring(drawing)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert any(odd.name in (each.text or "") for each in root.iter())
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 1 + len(POLICIES)
    assert "prefers-color-scheme" in drawing
    nobody, empty = compare(Scene([], PEOPLE), POLICIES, 3)
    ElementTree.fromstring(empty)
    assert nobody.policies[0].wait_s.p50 is None
    assert nobody.policies[0].service_level is None
