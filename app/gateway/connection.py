"""One socket: its bounded outbox, its places in the lanes it follows, and its state."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

from app.chat.wire import encode
from app.gateway.people import Guest, Host
from app.gateway.throttle import Bucket
from app.protocol.codes import OUTBOX_BYTES, Close
from app.protocol.frames import Err, Note
from app.protocol.frames import Send as Message
from app.protocol.sequence import Cursor, Verdict
from app.protocol.session import Session

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Write = Callable[[bytes], bool]
JOIN_BYTES = 32 * 1024
"""Frames are joined into one until they are this large."""
_GONE = 1006
MOST_LATE = 2_000
"""Frames kept back while a snapshot is made."""
MOST_HELD = 200
"""Conversations in which a message may wait to come again; nobody has as many."""


def cannot_write(_: bytes) -> bool:
    """For a transport that only has `send`."""
    return False


def nobody_waits() -> None:
    """For a connection whose end nobody has to see to."""


class Connection:
    """A socket after its upgrade.

    Args:
        send: ASGI's.
        write: sends a text frame at once, or returns False when `send` must be used: it may wait for the reader.
        closing: called once when the connection is to be closed from here: whoever does it calls `finish`.

    Attributes:
        who: the visitor or agent; None before their hello.
        cursors: place in each lane that is followed, by topic.
        left: place in lanes that were followed and may be again.
        in_flight: how many sends and notes wait for their commit, by conversation, and the generation that its
            sender knew when the first of them was said.
        held: number and id of the message that must come again before others of its conversation may.
        heard_at: when the last frame came (monotonic seconds).
        polled: whether it is a long poll: it lives for seconds, is not pinged, and does not count as a window.
    """

    __slots__ = (
        "_closing",
        "_drained",
        "_flusher",
        "_flushing",
        "_late",
        "_outbox",
        "_send",
        "_size",
        "_write",
        "batch",
        "close_code",
        "cursors",
        "frames",
        "heard_at",
        "held",
        "in_flight",
        "left",
        "messages",
        "next_look",
        "next_ping",
        "pinged_at",
        "polled",
        "refused",
        "session",
        "topics",
        "who",
    )

    def __init__(
        self,
        send: Send,
        frames: Bucket,
        messages: Bucket,
        write: Write = cannot_write,
        closing: Callable[[], None] = nobody_waits,
    ) -> None:
        self._send = send
        self._write = write
        self._outbox: deque[bytes] | None = None
        self._late: list[bytes] | None = None
        self._size = 0
        self._flushing = False
        self._flusher: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closing = closing
        self.close_code: int | None = None
        self.session = Session()
        self.who: Guest | Host | None = None
        self.batch = False
        self.cursors: dict[str, Cursor] = {}
        self.left: dict[str, int] = {}
        self.topics: set[str] = set()
        self.in_flight: dict[UUID, tuple[int, int | None]] = {}
        self.held: dict[UUID, tuple[int, UUID]] = {}
        self.frames = frames
        self.messages = messages
        self.heard_at = time.monotonic()
        self.next_look = 0.0
        self.next_ping = 0.0
        self.pinged_at = 0.0
        self.refused = 0
        self.polled = False

    def hold_back(self, command: Message | Note) -> None:
        """A message failed and may come again: it, or an earlier one that failed, must come before all others."""
        failed = (command.id, command.m)
        self.held[command.c] = min(failed, self.held.get(command.c, failed))
        if len(self.held) > MOST_HELD:
            self.close(Close.TOO_MANY)

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        return self.close_code is None

    def hold(self) -> None:
        """Keep back what is pushed from now on: a snapshot is being made, and must come before it."""
        if self._late is None:
            self._late = []

    def release(self, *first: bytes) -> None:
        """Queue the given frames, then what was kept back."""
        late, self._late = self._late, None
        for frame in (*first, *(late or ())):
            self.push(frame)

    def push(self, frame: bytes) -> None:
        """Queue a frame. A reader that is too slow is closed: it resumes, and nothing is lost."""
        if self.close_code is not None:
            return
        if self._late is not None:
            self._late.append(frame)
            if len(self._late) > MOST_LATE:
                self.close(Close.SLOW)
            return
        if self._outbox is None:
            # Idle sockets do without.
            self._outbox = deque()
        self._outbox.append(frame)
        self._size += len(frame)
        # One frame that is large by itself (a snapshot) says nothing about the reader.
        if self._size > OUTBOX_BYTES and len(self._outbox) > 1:
            self.close(Close.SLOW)
            return
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def push_ephemeral(self, frame: bytes) -> None:
        """Queue a frame that may be dropped when the reader lags."""
        if self._size < OUTBOX_BYTES // 2:
            self.push(frame)

    def fail(
        self,
        command_id: int | None,
        code: str,
        message: str,
        *,
        retry: bool = False,
        after_s: float | None = None,
        field: str | None = None,
    ) -> None:
        """Answer a command with an error."""
        error = Err(id=command_id, code=code, message=message, retry=retry)
        if after_s is not None:
            error.after_ms = max(1, round(after_s * 1000))
        if field is not None:
            error.field = field
        self.push(encode(error))

    def deliver(self, topic: str, s: int, frame: bytes) -> bool:
        """Deliver a numbered event by the receiver rule. False when something before it is missing."""
        cursor = self.cursors.get(topic)
        if cursor is None:
            return True
        verdict = cursor.judge(s)
        if verdict is Verdict.APPLY:
            self.push(frame)
            for held in cursor.release():
                self.push(held)
        elif s > cursor.have:
            cursor.hold(s, frame)
        return verdict is not Verdict.FETCH

    async def drained(self) -> None:
        """Wait until the outbox is empty, or the socket closes."""
        if self._flushing and self.open:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def close(self, code: int) -> None:
        """Close soon; what is queued goes out first, unless the reader is the trouble."""
        if self.close_code is None:
            self.close_code = code
            self._closing()

    async def finish(self) -> None:
        """Send what is queued and the close frame."""
        if self._flusher is None and self.close_code != Close.SLOW:
            self._flush()
        flusher = self._flusher
        if flusher is not None:
            if self.close_code == Close.SLOW:
                flusher.cancel()
            await asyncio.wait([flusher], timeout=1)
            flusher.cancel()
        self._wake()
        # A reader that is stuck does not read its farewell either.
        async with asyncio.timeout(2):
            await self._send({"type": "websocket.close", "code": self.close_code or 1000, "reason": ""})

    def gone(self) -> None:
        """The other end has gone: send nothing more."""
        if self.close_code is None:
            self.close_code = _GONE
        if self._flusher is not None:
            self._flusher.cancel()
        self._wake()

    def _flush(self) -> None:
        """Send what gathered in this tick. Only for a reader that lags a task is made, to wait for it."""
        if self._flusher is not None or self.close_code in (_GONE, Close.SLOW):
            return
        while self._outbox:
            frame, size = self._next_frame()
            if not self._write(frame):
                self._flusher = asyncio.create_task(self._flush_slowly(frame, size))
                return
            self._size -= size
        self._outbox = None
        self._flushing = False
        self._wake()

    async def _flush_slowly(self, frame: bytes, size: int) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame.decode()})
            self._size -= size
            while self._outbox:
                frame, size = self._next_frame()
                await self._send({"type": "websocket.send", "text": frame.decode()})
                self._size -= size
        except (OSError, RuntimeError):
            # The socket broke under us; the receiving side hears of it.
            self._outbox = None
        finally:
            self._flusher = None
            self._flushing = False
            self._wake()

    def _next_frame(self) -> tuple[bytes, int]:
        """Take the next frame off the outbox, with those after it if the client can split them, and their size."""
        assert self._outbox, "there is one"
        frame = self._outbox.popleft()
        size = len(frame)
        if not (self.batch and self._outbox):
            return frame, size
        parts = [frame]
        while self._outbox and size < JOIN_BYTES:
            parts.append(self._outbox.popleft())
            size += len(parts[-1])
        return b"\n".join(parts), size

    def _wake(self) -> None:
        waiter, self._drained = self._drained, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
