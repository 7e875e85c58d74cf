"""The receiver rule: whatever is lost, doubled or late on the way, each event is applied once and in order."""

from hypothesis import given
from hypothesis import strategies as st

from app.protocol.sequence import Cursor, Verdict


def test_the_next_is_applied_an_old_one_dropped_and_a_later_one_fetched() -> None:
    cursor = Cursor(5)
    assert cursor.judge(6) is Verdict.APPLY
    assert cursor.judge(6) is Verdict.DROP
    assert cursor.judge(1) is Verdict.DROP
    assert cursor.judge(9) is Verdict.FETCH
    assert (cursor.have, cursor.head, cursor.behind) == (6, 9, True)


def test_while_somebody_fetches_live_events_only_raise_the_head() -> None:
    cursor = Cursor(0)
    cursor.fetching = True
    assert cursor.judge(1) is Verdict.DROP
    assert (cursor.have, cursor.head) == (0, 1)
    assert cursor.fetched(1)
    assert not cursor.fetched(1)
    assert not cursor.fetched(3)
    assert not cursor.behind


@given(st.integers(0, 4), st.lists(st.integers(1, 12), max_size=60), st.data())
def test_every_event_is_applied_once_and_in_order_over_any_loss(
    have: int, heard: list[int], data: st.DataObject
) -> None:
    cursor = Cursor(have)
    applied: list[int] = []
    for s in heard:
        verdict = cursor.judge(s)
        if verdict is Verdict.APPLY:
            applied.append(s)
        if verdict is Verdict.FETCH:
            # Somebody reads from the database; meanwhile further events pass by.
            cursor.fetching = True
            for passing in data.draw(st.lists(st.integers(1, 12), max_size=5)):
                assert cursor.judge(passing) is Verdict.DROP
            applied += [n for n in range(1, cursor.head + 1) if cursor.fetched(n)]
            cursor.fetching = False
    assert applied == list(range(have + 1, cursor.have + 1))
    assert cursor.head == max([have, *heard, cursor.have])
    assert not cursor.behind


def test_what_came_too_early_waits_for_its_turn() -> None:
    cursor = Cursor(4)
    for s in (6, 7, 9):
        assert cursor.judge(s) is Verdict.FETCH
        cursor.hold(s, b"%d" % s)
    assert cursor.release() == []

    assert cursor.judge(5) is Verdict.APPLY
    assert cursor.release() == [b"6", b"7"]
    assert cursor.have == 7
    assert cursor.behind, "8 has not come, so 9 still waits"
    assert cursor.judge(8) is Verdict.APPLY
    assert cursor.release() == [b"9"]
    assert not cursor.behind


def test_what_was_fetched_meanwhile_is_not_applied_again() -> None:
    cursor = Cursor(0)
    assert cursor.judge(3) is Verdict.FETCH
    cursor.hold(3, b"3")
    assert [n for n in range(1, 4) if cursor.fetched(n)] == [1, 2, 3]
    assert cursor.judge(4) is Verdict.APPLY
    assert cursor.release() == []
    assert cursor.have == 4
