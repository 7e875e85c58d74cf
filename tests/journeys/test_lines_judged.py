"""The judge of lines finds who was passed against the rules, and knows who was passed for a reason."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.chaos.ledger import Frame
from tests.journeys.index_log import Step
from tests.journeys.lines_judged import Line, judge_lines

TEAM, ANA, BEN = uuid4(), uuid4(), uuid4()
BEGAN = datetime(2026, 11, 22, tzinfo=UTC)


def at(second: float) -> datetime:
    return BEGAN + timedelta(seconds=second)


def commit(second: float, c: str, score: int, state: str, **more: object) -> Frame:
    row: Frame = {"agent": None, "declined": [], "reserved": None, "began": at(second - 0.5), "xid": second}
    return {**row, "at": at(second), "c": c, "score": score, "state": state, "team": TEAM, **more}


def judged(steps: list[Step], *, at_the_end: float = 9, **vera: object) -> Line:
    """Vera came at 1, Vic at 2, and Vic was proposed to Ana at 4 and offered at 5."""
    commits = [
        commit(1, "vera", 1, "waiting", **vera),
        commit(2, "vic", 2, "waiting"),
        commit(5, "vic", 2, "offered", agent=ANA),
        commit(at_the_end, "vera", 1, "offered", agent=BEN),
    ]
    commits.sort(key=lambda row: row["at"])
    vics = [Step(at(2.1), "in", "vic"), Step(at(4), "out", "vic", str(ANA))]
    return judge_lines(commits, commits, {}, sorted([*steps, *vics], key=lambda step: step.at))


def test_who_stands_in_the_index_and_is_passed_is_passed_against_the_rules() -> None:
    line = judged([Step(at(1.1), "in", "vera")])
    assert (line.offers, line.passed) == (1, Counter())
    (words,) = line.against_rules
    assert f"vic was given to {ANA}, although vera came before" in words


def test_who_is_not_in_the_index_yet_or_is_proposed_themselves_or_may_not_is_passed_for_a_reason() -> None:
    came = Step(at(1.1), "in", "vera")
    taken = Step(at(3), "out", "vera", str(BEN))
    for reason, line in (
        ("coming", judged([])),
        ("coming", judged([Step(at(0.4), "in", "vera"), Step(at(0.5), "out", "vera", str(BEN))])),
        ("asked", judged([came, taken], at_the_end=9)),
        ("asked", judged([came, taken, Step(at(4.5), "in", "vera")])),
        ("declined", judged([came], declined=[ANA])),
        ("declined", judged([came], reserved=BEN)),
    ):
        assert (line.passed, line.against_rules) == (Counter({reason: 1}), [])
    again = judged([came, taken, Step(at(3.5), "in", "vera")])
    assert again.against_rules, "back in the index before the other was proposed"


def test_who_was_served_before_or_waits_elsewhere_is_not_passed() -> None:
    came, taken = Step(at(1.1), "in", "vera"), Step(at(3), "out", "vera", str(BEN))
    for line in (judged([came, taken], at_the_end=3.6), judged([came], team=uuid4())):
        assert (line.passed, line.against_rules) == (Counter(), [])


def test_room_counts_from_when_there_is_some_for_that_visitor() -> None:
    def load(second: float, agent: object, load: int, **more: object) -> Frame:
        row = {"agent": agent, "load": load, "capacity": 1, "accepting": True}
        return {**row, "at": at(second), "xid": second, "c": None, **more}

    def rooms(*rows: Frame) -> list[float]:
        audit = [load(0, ANA, 1), load(0.1, BEN, 1), *rows]
        return judge_lines(audit, [row for row in rows if row["c"]], {ANA: TEAM, BEN: TEAM}, []).room_s

    came, vic, free = commit(1, "vera", 1, "waiting"), commit(1.5, "vic", 2, "waiting"), load(2, ANA, 0)
    taken = (load(5, ANA, 1), commit(5, "vera", 1, "offered", agent=ANA))
    assert rooms(came, free, *taken) == [3]
    assert rooms(free, commit(4, "vera", 1, "waiting"), *taken) == [1], "there was room when she came"
    assert rooms(
        came, vic, free, load(4, BEN, 0), *taken, load(6, BEN, 1), commit(6, "vic", 2, "offered", agent=BEN)
    ) == [
        3,
        2,
    ], "Ana's was hers, Ben's was his"
    assert rooms(commit(1, "vera", 1, "waiting", declined=[ANA]), free, load(4, BEN, 0), *taken) == [1], "not with Ana"
    assert rooms(commit(1, "vera", 1, "waiting", reserved=BEN), free, load(4, BEN, 0), *taken) == [1], "kept for Ben"
    turned = (load(3, ANA, 0, accepting=False), load(4.5, ANA, 0))
    assert rooms(came, free, *turned, *taken) == [0.5], "Ana took no chats meanwhile"
    assert rooms(came, free, commit(5, "vera", 1, "closed")) == [], "she left"
