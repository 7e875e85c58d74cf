"""The role table."""

from itertools import pairwise

import pytest

from app.identity.permissions import May, Role, grantable, may, may_change


def test_each_role_may_all_that_the_one_below_may() -> None:
    ladder = list(Role)
    for lower, higher in pairwise(ladder):
        assert {what for what in May if may(lower, what)} < {what for what in May if may(higher, what)}


def test_everybody_may_answer_and_only_owners_manage_owners() -> None:
    assert all(may(role, May.ANSWER) for role in Role)
    assert [role for role in Role if may(role, May.MANAGE_OWNERS)] == [Role.OWNER]


@pytest.mark.parametrize(
    ("role", "roles"),
    [
        (Role.AGENT, ()),
        (Role.SUPERVISOR, ()),
        (Role.ADMIN, (Role.AGENT, Role.SUPERVISOR, Role.ADMIN)),
        (Role.OWNER, (Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.OWNER)),
    ],
)
def test_nobody_gives_a_role_above_their_own(role: Role, roles: tuple[Role, ...]) -> None:
    assert grantable(role) == roles
    assert all(may_change(role, other) == (other in roles) for other in Role)
