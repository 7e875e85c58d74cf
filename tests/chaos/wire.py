"""One socket of an actor: commands out, answers and frames in. Written from docs/protocol.md alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.ledger import Frame

SILENCE_S, IDLE_SILENCE_S = 20.0, 47.0
"""The server pings every 15 s ± 10 %, visitors without an open conversation every 40 s: a longer silence means that
nobody is there."""
CONNECT_WITHIN_S = 6.0
LOST = (OSError, ConnectionError, TimeoutError, WebSocketException, EOFError)
"""What it looks like when a connection cannot be had, or is gone."""


class Lost(ConnectionError):
    """The connection ended. `code` is its close code."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed {code}")
        self.code = code


class Refused(Exception):
    """The server answered a command with `err`."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.code: str = frame["code"]
        self.retry: bool = frame.get("retry", False)
        self.after_s: float = frame.get("after_ms", 0) / 1000


class Socket:
    """An open socket.

    Args:
        address: (host, port) to connect to.
        origin: what a browser would say.
        heard: called with every frame that is not an answer.
    """

    def __init__(self, address: tuple[str, int], origin: str, heard: Callable[[Frame], None]) -> None:
        self.address = address
        self._origin = origin
        self._heard = heard
        self._connection: ClientConnection | None = None
        self._answers: dict[int, Callable[[Frame | None], None]] = {}
        self._number = 0
        self._reader: asyncio.Task[None] | None = None
        self._heard_at = time.monotonic()
        self.ended = asyncio.Event()
        self.close_code: int | None = None

    async def open(self) -> None:
        """Upgrade.

        Raises:
            LOST: it cannot be had.
        """
        host, port = self.address
        self._connection = await connect(
            f"ws://{host}:{port}/ws",
            origin=self._origin,  # type: ignore[arg-type]
            subprotocols=["deskbell.v1"],  # type: ignore[list-item]
            compression=None,
            ping_interval=None,
            max_size=None,
            open_timeout=CONNECT_WITHIN_S,
            close_timeout=1,
            proxy=None,
        )
        self._heard_at = time.monotonic()
        self._reader = asyncio.create_task(self._read(self._connection))

    def post(self, frame: Frame, answered: Callable[[Frame | None], None]) -> None:
        """Send a command; `answered` is called once with its answer, or with None when the connection was lost."""
        if self._connection is None or self.ended.is_set():
            answered(None)
            return
        self._number += 1
        self._answers[self._number] = answered
        self._say({**frame, "id": self._number})

    async def command(self, frame: Frame, within_s: float = 30.0) -> Frame:
        """Send a command and return its `ok`.

        Raises:
            Refused: it was an `err`.
            Lost, TimeoutError: there was no answer.
        """
        answer: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        self.post(frame, lambda given: answer.done() or answer.set_result(given))
        given = await asyncio.wait_for(answer, within_s)
        if given is None:
            raise Lost(self.close_code)
        if given["t"] == "err":
            raise Refused(given)
        return given

    def cut(self) -> None:
        """Lose the connection without a word."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            with suppress(*LOST):
                await asyncio.wait_for(self._connection.close(), 2)
            self._connection.transport.abort()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    async def wait_ended(self, within_s: float, silence_s: float = SILENCE_S) -> bool:
        """Wait until the connection ended, or some seconds. A server that has fallen silent is given up."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), within_s)
        if not self.ended.is_set() and time.monotonic() - self._heard_at > silence_s:
            self.cut()
            await self.ended.wait()
        return self.ended.is_set()

    def _say(self, frame: Frame) -> None:
        assert self._connection is not None
        task = asyncio.ensure_future(self._connection.send(json.dumps(frame)))
        # A lost connection shows in the answer.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _read(self, connection: ClientConnection) -> None:
        try:
            async for message in connection:
                self._heard_at = time.monotonic()
                for line in str(message).split("\n"):
                    self._take(json.loads(line))
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.close_code = connection.close_code
            self.ended.set()
            answers, self._answers = self._answers, {}
            for answered in answers.values():
                answered(None)

    def _take(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind in ("ok", "err") and frame.get("id") in self._answers:
            self._answers.pop(frame["id"])(frame)
        elif kind == "ping":
            self._say({"t": "pong"})
        else:
            self._heard(frame)
