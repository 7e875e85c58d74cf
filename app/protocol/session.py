"""The states of one connection, without I/O: what may come when, and when patience ends."""

from __future__ import annotations

from enum import Enum
from typing import get_args

from app.errors import DeskbellError, Forbidden
from app.protocol import frames
from app.protocol.codes import MALFORMED_BEFORE_CLOSE


class Role(Enum):
    """Who is at the other end."""

    VISITOR = "visitor"
    AGENT = "agent"


_ALLOWED = {
    Role.VISITOR: frozenset(get_args(frames.EveryoneCommand) + get_args(frames.VisitorCommand)),
    Role.AGENT: frozenset(get_args(frames.EveryoneCommand) + get_args(frames.AgentCommand)),
}


class Session:
    """One connection's state: `new` until a hello was accepted, then `greeted`.

    Attributes:
        role: who it is; None before the hello was accepted.
        malformed: how many unreadable frames have come.
    """

    __slots__ = ("malformed", "role")

    def __init__(self) -> None:
        self.role: Role | None = None
        self.malformed = 0

    def admit(self, command: frames.AnyCommand) -> None:
        """Check that a command may come now.

        Raises:
            DeskbellError: `hello_first`: a command before the hello, or a second hello.
            Forbidden: a command of the other side.
        """
        kind = type(command)
        if self.role is None:
            if kind is not frames.Hello and kind is not frames.Pong:
                raise DeskbellError("Say hello first.", code="hello_first")
        elif kind is frames.Hello:
            raise DeskbellError("This connection has said hello already.", code="hello_first")
        elif kind not in _ALLOWED[self.role]:
            raise Forbidden("That command is not for you.")

    def greet(self, role: Role) -> None:
        """The hello was accepted."""
        self.role = role

    def saw_malformed(self) -> bool:
        """Count an unreadable frame; True when it was one too many."""
        self.malformed += 1
        return self.malformed >= MALFORMED_BEFORE_CLOSE
