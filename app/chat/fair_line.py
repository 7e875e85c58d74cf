"""What waits for the journal's next batch: in order within a conversation, and no conversation before all others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from app.ids import ConversationId


class OfConversation(Protocol):
    """Something that belongs to a conversation."""

    @property
    def conversation_id(self) -> ConversationId: ...


T = TypeVar("T", bound=OfConversation)


class FairLine(Generic[T]):
    """A line for each conversation; they take turns."""

    def __init__(self) -> None:
        # Whose turn is next stands first.
        self._lines: dict[ConversationId, deque[T]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return (one for line in self._lines.values() for one in line)

    def add(self, one: T) -> None:
        """Put something at the end of its conversation's line."""
        line = self._lines.get(one.conversation_id)
        if line is None:
            self._lines[one.conversation_id] = deque((one,))
        else:
            line.append(one)
        self._count += 1

    def add_first(self, some: Iterable[T]) -> None:
        """Put what came earlier, in order, before what waits in the same conversations."""
        later, self._lines, self._count = self._lines, {}, 0
        for one in some:
            self.add(one)
        for line in later.values():
            for one in line:
                self.add(one)

    def take(self, most: int) -> list[T]:
        """Take the next `most`: of each conversation the same number, as far as it has so many."""
        taken: list[T] = []
        if self._count <= most:
            taken.extend(self)
            self._lines.clear()
        while self._lines and len(taken) < most:
            share = max(1, (most - len(taken)) // len(self._lines))
            for conversation_id in list(self._lines):
                room = min(share, most - len(taken))
                if not room:
                    break
                line = self._lines.pop(conversation_id)
                taken.extend(line.popleft() for _ in range(min(room, len(line))))
                if line:
                    # Those who had no turn this time stand before it.
                    self._lines[conversation_id] = line
        self._count -= len(taken)
        return taken

    def keep(self, choose: Callable[[Iterable[T]], Iterable[T]]) -> None:
        """Keep of each conversation's line what `choose` returns of it."""
        lines = {conversation_id: deque(choose(line)) for conversation_id, line in self._lines.items()}
        self._lines = {conversation_id: line for conversation_id, line in lines.items() if line}
        self._count = sum(map(len, self._lines.values()))

    def clear(self) -> None:
        """Let everything go."""
        self._lines.clear()
        self._count = 0
