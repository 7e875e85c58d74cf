"""The batched writer: every message that people send goes through here, and is acknowledged after its commit.

One task owns one Postgres connection. While a commit runs, drafts gather; the next commit takes all of them, or, when
they are too many, as many of each conversation. There is no timer: at low load a batch is one message. A batch whose
outcome is unknown (the connection broke) is repeated as the same batch, which is safe because the statement knows each
key. Nobody is told "ok" before the commit, and publishing happens in the same tick as telling. A conversation that
somebody else keeps locked is put aside, with all that comes for it, so that the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from app.chat.fair_line import FairLine
from app.errors import Unavailable
from app.ids import ConversationId

log = structlog.get_logger()

_POST_ONE = """
SELECT status, seq, at, state
FROM post_message($1::uuid, $2::smallint, $3::text, $4::text, $5::uuid, $6::text, $7::uuid, $8::text, $9::bigint)
"""
_POST = """
SELECT status, seq, at, state
FROM post_batch($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::text[],
                $9::bigint[])
"""
# Each row is reached by an index whatever the statistics say: a plan made while the tables were small would read all
# of them once they are large.
_PREPARE = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""
# Of these conversations, those that somebody else has locked.
_HELD = """
WITH free AS (SELECT id FROM conversation WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED)
SELECT id FROM conversation WHERE id = ANY ($1::uuid[]) EXCEPT SELECT id FROM free
"""
MAX_BATCH = 512
MAX_QUEUED = 20_000
PATIENCE_S = 5.0
"""How long a sender waits before hearing `unavailable`; the batch itself goes on being tried."""
LOOK_S = 0.5
"""How often the senders' patience is looked at."""
LOCK_WAIT_MS = 250
"""How long a batch waits for one conversation's lock."""
ASIDE_S = 0.1
"""Pause between two looks at conversations that others have locked."""

Status = Literal["ok", "dup", "conflict", "closed", "not_yours", "not_found", "stale", "unavailable", "internal"]


class Outcome(Struct, frozen=True):
    """What became of a draft.

    `seq` and `at` (ms) are set when status is ok or dup; when it is stale, `seq` is the conversation's generation now.
    `state` is the conversation's.
    """

    status: Status
    seq: int = 0
    at: int = 0
    state: str = ""


class Draft(Struct):
    """A message or note on its way into its lane.

    Attributes:
        lane: 0 public, 1 internal.
        body: the JSON object to store.
        gen: the newest generation of the conversation that the sender had been told; None: not known. What was said in
            an earlier episode, or in an agent's earlier turn, becomes `stale`: its sender may have given it up.
        done: called once with the outcome, in the journal's task; must not block or raise.
    """

    conversation_id: ConversationId
    lane: int
    kind: str
    sender_kind: Literal["visitor", "agent"]
    sender_id: UUID
    sender_name: str | None
    m: UUID
    body: str
    done: Callable[[Outcome], None]
    gen: int | None = None
    since: float = msgspec.field(default_factory=time.monotonic)
    told: bool = False

    def tell(self, outcome: Outcome) -> None:
        """Tell the sender, once."""
        if not self.told:
            self.told = True
            self.done(outcome)


class Journal:
    """Writes drafts in batches.

    Args:
        connect: opens the journal's own connection.
        publish: called for every committed draft (also for a repeated one: a crash may have come between commit
            and publish), in sequence order, before its sender is told.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection[asyncpg.Record]]],
        publish: Callable[[Draft, Outcome], None],
    ) -> None:
        self._connect = connect
        self._publish = publish
        self._queue: FairLine[Draft] = FairLine()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._writing: list[Draft] = []
        self._aside: dict[ConversationId, list[Draft]] = {}
        self._look_at = 0.0
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Start the writer's task."""
        self._tasks = [
            asyncio.create_task(self._run(), name="journal"),
            asyncio.create_task(self._mind_the_impatient(), name="journal.patience"),
        ]

    async def stop(self) -> None:
        """Write what is queued, then end. A commit that does not end is left to itself when nobody waits any more."""
        self._stopping = True
        self._wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=PATIENCE_S + 2 * LOOK_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            # It is terminated if it does not close in time.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close(timeout=2)

    async def drained(self) -> None:
        """Wait until nothing is queued or being written."""
        await self._idle.wait()

    def post(self, draft: Draft) -> None:
        """Queue a draft; its `done` is called when it is decided.

        Raises:
            Unavailable: too many are waiting.
        """
        if len(self._queue) >= MAX_QUEUED or self._stopping:
            raise Unavailable("The server cannot take more messages just now.", retry_after_s=1)
        self._queue.add(draft)
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            if self._aside and time.monotonic() > self._look_at:
                await self._take_up_again()
            if not self._queue:
                if not self._aside:
                    self._idle.set()
                    if self._stopping:
                        return
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASIDE_S if self._aside else None):
                        await self._wake.wait()
                continue
            self._writing = self._queue.take(MAX_BATCH)
            await self._settle(self._writing)
            self._writing = []

    async def _settle(self, batch: list[Draft]) -> None:
        """Repeat a batch until its outcome is known, then publish and tell."""
        wait = 0.05
        while True:
            if self._aside:
                batch = self._without(self._aside, batch)
                if not batch:
                    return
            try:
                rows = await self._write(batch)
                break
            except Exception as error:
                # Whatever it is, this task must live: without it the process would acknowledge nothing any more.
                passing = _is_passing(error)
                if isinstance(error, asyncpg.LockNotAvailableError):
                    if held := await self._held(batch):
                        batch = self._without(held, batch)
                        continue
                elif passing or not isinstance(error, asyncpg.PostgresError):
                    await self._drop_connection()
                if not passing:
                    await self._isolate(batch, error)
                    return
                log.warning("journal.retry", error=repr(error), drafts=len(batch))
            if self._stopping and all(draft.told for draft in batch):
                # Whatever else is queued must not overtake them.
                for draft in self._queue:
                    draft.tell(Outcome("unavailable"))
                self._queue.clear()
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1.0)
        for draft, (status, seq, at, state) in zip(batch, rows, strict=True):
            outcome = Outcome(status, seq or 0, at or 0, state or "")
            try:
                if status in ("ok", "dup"):
                    self._publish(draft, outcome)
                draft.tell(outcome)
            except Exception:
                log.exception("journal.not_told", conversation=str(draft.conversation_id), seq=outcome.seq)

    async def _isolate(self, batch: list[Draft], error: Exception) -> None:
        """One draft makes the statement fail: find it, so that the others are not lost with it."""
        if len(batch) == 1:
            log.error("journal.refused", error=repr(error), conversation=str(batch[0].conversation_id))
            batch[0].tell(Outcome("internal"))
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _write(self, batch: list[Draft]) -> list[asyncpg.Record]:
        connection = await self._connected()
        if len(batch) == 1:
            # By far the commonest when there is not much to do, and half the price.
            one = batch[0]
            return await connection.fetch(
                _POST_ONE,
                one.conversation_id,
                one.lane,
                one.kind,
                one.sender_kind,
                one.sender_id,
                one.sender_name,
                one.m,
                one.body,
                one.gen,
            )
        return await connection.fetch(
            _POST,
            [d.conversation_id for d in batch],
            [d.lane for d in batch],
            [d.kind for d in batch],
            [d.sender_kind for d in batch],
            [d.sender_id for d in batch],
            [d.sender_name for d in batch],
            [d.m for d in batch],
            [d.body for d in batch],
            [d.gen for d in batch],
        )

    async def _held(self, batch: list[Draft]) -> set[ConversationId]:
        """Return those of a batch's conversations that somebody else has locked just now."""
        try:
            rows = await (await self._connected()).fetch(_HELD, list({d.conversation_id for d in batch}))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            # The whole table is locked, or Postgres went away: then the batch comes again as it is.
            return set()
        return {ConversationId(row["id"]) for row in rows}

    def _without(self, held: Collection[ConversationId], batch: list[Draft]) -> list[Draft]:
        """Put drafts for conversations that are held aside, in order; return the others."""
        rest: list[Draft] = []
        for draft in batch:
            if draft.conversation_id in held:
                self._aside.setdefault(draft.conversation_id, []).append(draft)
            else:
                rest.append(draft)
        return rest

    async def _take_up_again(self) -> None:
        """Queue what was put aside for conversations that are free by now, before whatever came later."""
        waiting = [draft for drafts in self._aside.values() for draft in drafts]
        held = await self._held(waiting)
        for conversation_id in [c for c in self._aside if c not in held]:
            self._queue.add_first(self._aside.pop(conversation_id))
        self._look_at = time.monotonic() + ASIDE_S

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            await self._connection.execute(f"{_PREPARE}SET lock_timeout = {LOCK_WAIT_MS}")
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _mind_the_impatient(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if self._writing or self._aside:
                    self._tell_the_impatient(time.monotonic() - PATIENCE_S)
            except Exception:
                log.exception("journal.patience_failed")

    def _tell_the_impatient(self, limit: float) -> None:
        """Say `unavailable` to senders who have waited since before `limit`.

        Drafts whose outcome is not in doubt are dropped: they come again. With a dropped draft go the later ones of
        its sender in that conversation: else they would overtake it.
        """
        for draft in self._writing:
            if draft.since < limit:
                draft.tell(Outcome("unavailable"))
        dropped: set[tuple[UUID, UUID]] = set()
        for conversation_id, drafts in list(self._aside.items()):
            self._aside[conversation_id] = _patient(drafts, limit, dropped)
        self._aside = {c: drafts for c, drafts in self._aside.items() if drafts}
        self._queue.keep(lambda drafts: _patient(drafts, limit, dropped))


def _patient(drafts: Iterable[Draft], limit: float, dropped: set[tuple[UUID, UUID]]) -> list[Draft]:
    """Return the drafts that go on waiting; tell the others. `dropped`: (conversation, sender) of those told."""
    kept: list[Draft] = []
    for draft in drafts:
        sender = (draft.conversation_id, draft.sender_id)
        if draft.since < limit or sender in dropped:
            dropped.add(sender)
            draft.tell(Outcome("unavailable"))
        else:
            kept.append(draft)
    return kept


def _is_passing(error: Exception) -> bool:
    """Tell whether a repeat on a new connection may get past an error; see `app.infra.work.is_passing` for the classes.

    asyncpg calls it an internal error of its own when a connection breaks at an awkward moment.
    """
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return True
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in {"08", "40", "53", "57", "58"} or state in {"25006", "55P03"}
