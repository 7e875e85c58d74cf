"""One question for all who ask in the same moment: what is asked for while one runs goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)
Answer = TypeVar("Answer")


class Gathering(Generic[Subject, Answer]):
    """Asks one question at a time.

    When a thousand clients come back at once, each wants to know something in the same moment; a query for each would
    take all connections, and most of the time.

    Args:
        answers: called with what is asked about; returns an answer for each, in order. Nothing that it reads may be
            older than its call.
        most: subjects of one question.
    """

    def __init__(self, answers: Callable[[list[Subject]], Awaitable[Sequence[Answer]]], most: int) -> None:
        self._answers = answers
        self._most = most
        self._wanted: dict[Subject, asyncio.Future[Answer]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, subject: Subject) -> Answer:
        """Return the answer, which is no older than this call. Those who ask the same share it.

        Raises:
            whatever `answers` raises.
        """
        answer = self._wanted.get(subject)
        if answer is None:
            answer = self._wanted[subject] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._ask(), name="gathering")
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        try:
            while self._wanted:
                subjects = list(self._wanted)[: self._most]
                waiting = [self._wanted.pop(subject) for subject in subjects]
                try:
                    answers = await self._answers(subjects)
                except Exception as error:
                    for future in waiting:
                        future.set_exception(error)
                        # Whoever asked may have left meanwhile.
                        future.exception()
                else:
                    for future, answer in zip(waiting, answers, strict=True):
                        future.set_result(answer)
        finally:
            self._task = None
