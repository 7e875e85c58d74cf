"""The states of a conversation: every move there is, and no other."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.lifecycle import Move, State, after, check_generation
from app.errors import Conflict

STATES: tuple[State, ...] = get_args(State)
MOVES: tuple[Move, ...] = get_args(Move)
POSSIBLE = {
    "start": {"closed": "waiting"},
    "offer": {"waiting": "offered"},
    "accept": {"offered": "active"},
    "miss": {"offered": "waiting"},
    "claim": {"waiting": "active"},
    "requeue": {"active": "waiting"},
    "takeover": {"active": "active"},
    "close": {"active": "closed"},
    "leave": {"waiting": "closed", "offered": "closed"},
    "reopen": {"closed": "active"},
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("state", STATES)
def test_a_move_leads_where_it_should_or_is_refused(state: State, move: Move) -> None:
    following = POSSIBLE[move].get(state)
    if following is not None:
        assert after(state, move) == following
        return
    with pytest.raises(Conflict) as refused:
        after(state, move)
    assert refused.value.code == ("conversation_closed" if state == "closed" else "stale")


@given(st.lists(st.sampled_from(MOVES), max_size=30))
def test_no_series_of_moves_ends_outside_the_four_states_or_in_a_dead_end(moves: list[Move]) -> None:
    state: State = "closed"
    for move in moves:
        try:
            state = after(state, move)
        except Conflict:
            continue
    assert state in STATES
    assert any(state in starts for starts in POSSIBLE.values())


def test_only_the_current_generation_may_act() -> None:
    check_generation(7, 7)
    for earlier_or_later in (6, 8):
        with pytest.raises(Conflict) as refused:
            check_generation(7, earlier_or_later)
        assert refused.value.code == "stale"
