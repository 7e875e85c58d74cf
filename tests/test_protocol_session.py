"""What may come when on one connection, and from whom."""

from typing import get_args
from uuid import uuid4

import msgspec
import pytest

from app.errors import DeskbellError, Forbidden
from app.protocol import frames
from app.protocol.codes import MALFORMED_BEFORE_CLOSE
from app.protocol.session import Role, Session

EVERYONE = get_args(frames.EveryoneCommand)
VISITORS = get_args(frames.VisitorCommand)
AGENTS = get_args(frames.AgentCommand)


def made(kind: type[frames.Command]) -> frames.AnyCommand:
    """Return some command of a kind."""
    some = {
        "id": 1,
        "c": str(uuid4()),
        "m": str(uuid4()),
        "token": "token",
        "body": {"text": "hi"},
        "email": "vera@example.com",
        "s": 1,
        "on": True,
        "lane": "public",
        "score": 5,
        "url": "https://shop.example/",
        "gen": 1,
        "accept": True,
        "agent": str(uuid4()),
    }
    needed = {field.name: some[field.name] for field in msgspec.structs.fields(kind) if field.required}
    return msgspec.convert({"t": kind.__struct_config__.tag, **needed}, frames.AnyCommand)


def greeted(role: Role) -> Session:
    session = Session()
    session.greet(role)
    return session


@pytest.mark.parametrize("kind", EVERYONE + VISITORS + AGENTS)
def test_only_a_hello_or_a_pong_comes_first(kind: type[frames.Command]) -> None:
    session = Session()
    if kind in (frames.Hello, frames.Pong):
        session.admit(made(kind))
    else:
        with pytest.raises(DeskbellError) as refused:
            session.admit(made(kind))
        assert refused.value.code == "hello_first"
    assert session.role is None


@pytest.mark.parametrize("role", Role)
def test_a_second_hello_is_refused(role: Role) -> None:
    with pytest.raises(DeskbellError) as refused:
        greeted(role).admit(made(frames.Hello))
    assert refused.value.code == "hello_first"


@pytest.mark.parametrize("kind", [kind for kind in EVERYONE if kind is not frames.Hello])
@pytest.mark.parametrize("role", Role)
def test_what_is_for_all_is_for_both(role: Role, kind: type[frames.Command]) -> None:
    greeted(role).admit(made(kind))


@pytest.mark.parametrize(
    ("owner", "other", "kind"),
    [(Role.VISITOR, Role.AGENT, kind) for kind in VISITORS] + [(Role.AGENT, Role.VISITOR, kind) for kind in AGENTS],
)
def test_what_is_for_one_side_is_not_for_the_other(owner: Role, other: Role, kind: type[frames.Command]) -> None:
    greeted(owner).admit(made(kind))
    with pytest.raises(Forbidden):
        greeted(other).admit(made(kind))


def test_every_command_is_for_somebody_and_none_stands_twice() -> None:
    kinds = EVERYONE + VISITORS + AGENTS
    assert set(kinds) == set(get_args(frames.AnyCommand))
    assert len(kinds) == len(set(kinds))


def test_the_tenth_unreadable_frame_is_one_too_many() -> None:
    session = Session()
    assert [session.saw_malformed() for _ in range(MALFORMED_BEFORE_CLOSE)] == [False] * 9 + [True]
