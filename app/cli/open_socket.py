"""A WebSocket after its handshake. While nothing comes it has no task and no queue: ten thousand of them are idle.

pings from somebody who does not read   do not pile up answers
a message in endless empty pieces       is too big
a reader that is stuck                  still gets its close code if it wakes up, and is dropped if it does not
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from typing import Any

import structlog
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from app.cli.connections import Connections, Place
from app.gateway.endpoint import Listener
from app.protocol.codes import Close

log = structlog.stdlib.get_logger(__name__)

MOST_PIECES = 1_000
"""Frames of one message."""
MOST_UNREAD = 4
"""Messages that wait for us before no more are read off the socket."""
FAREWELL_S = 10.0
"""How long a client may take to hear the end."""
_HEAD_16, _HEAD_64 = struct.Struct("!BBH"), struct.Struct("!BBQ")


class OpenSocket(asyncio.Protocol):
    """One connection.

    Args:
        transport: of the handshake.
        listener: hears what comes: what it need not wait for at once, else one message after another.
        largest: bytes of a message.
        server: whose connection it is.
        among: all connections of the process.
        place: this one's among them.
    """

    __slots__ = (
        "_among",
        "_binary",
        "_closing",
        "_end",
        "_listener",
        "_lost",
        "_paused",
        "_pieces",
        "_place",
        "_room",
        "_server",
        "_task",
        "_transport",
        "_unread",
        "_wire",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        listener: Listener,
        largest: int | None,
        server: ServerState,
        among: Connections,
        place: Place | None,
    ) -> None:
        self._transport = transport
        self._listener = listener
        self._wire = Protocol(Side.SERVER, max_size=largest, logger=logging.getLogger("uvicorn.error"))
        self._server = server
        self._among = among
        self._place = place
        self._pieces: list[Any] | None = None
        self._binary = False
        self._unread: deque[str | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._room: asyncio.Event | None = None
        self._closing = False
        self._lost = False
        self._end: asyncio.TimerHandle | None = None
        server.connections.add(self)  # pyright: ignore[reportArgumentType]

    def begin(self, early: bytes) -> None:
        """Read.

        Args:
            early: what came right behind the handshake.
        """
        self.data_received(early)
        if not self._paused:
            self._transport.resume_reading()

    # What the transport says

    def data_received(self, data: bytes) -> None:
        wire = self._wire
        wire.receive_data(data)
        if wire.parser_exc is not None:
            self._broken()
            return
        for event in wire.events_received():
            assert isinstance(event, Frame), "the handshake is over"
            self._take(event)

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.resume_writing()
        if self._end is not None:
            self._end.cancel()
        self._server.connections.discard(self)  # pyright: ignore[reportArgumentType]
        if self._place is not None:
            self._among.leave(self._place)
        self._hear_no_more()

    def pause_writing(self) -> None:
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def shutdown(self) -> None:
        """The process ends."""
        if not self._closing:
            self.close(Close.DRAINING)
        self._hear_no_more()
        self._hang_up()

    # What the gateway says

    def write_text(self, text: bytes) -> bool:
        """Send a text frame now. False if it cannot be taken now, or never: `send` waits, or says so."""
        if self._room is not None or self._closing or self._transport.is_closing():
            return False
        length = len(text)
        if length < 126:
            head = b"\x81%c" % length
        elif length < 65_536:
            head = _HEAD_16.pack(0x81, 126, length)
        else:
            head = _HEAD_64.pack(0x81, 127, length)
        self._transport.write(head + text)
        return True

    async def send(self, message: Any) -> None:
        """Send as ASGI does.

        Raises:
            ClientDisconnected: it is closed.
        """
        if message["type"] == "websocket.close":
            # Not behind what a stuck reader has not taken: a close frame is small.
            self.close(message["code"])
            return
        while not self.write_text(message["text"].encode()):
            if self._room is None:
                raise ClientDisconnected
            await self._room.wait()

    def close(self, code: int) -> None:
        """Send the close frame. The client answers it, or is dropped."""
        if self._closing or self._transport.is_closing():
            return
        self._closing = True
        self._wire.send_close(code)
        self._transport.write(b"".join(self._wire.data_to_send()))
        self._resume_reading()
        self._drop_later()

    def stop(self) -> None:
        """Leave what was not heard yet unheard, and break off what is being done about the rest."""
        self._unread = None
        if self._task is not None:
            self._task.cancel()

    # Frames

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.CLOSE:
                self._broken()
                self._transport.close()
            case _ if self._closing:
                pass
            case Opcode.TEXT | Opcode.BINARY:
                self._binary = frame.opcode is Opcode.BINARY
                if frame.fin:
                    self._came(frame.data)
                else:
                    self._pieces = [frame.data]
            case Opcode.CONT:
                assert self._pieces is not None, "websockets lets no other through"
                if len(self._pieces) >= MOST_PIECES:
                    self._wire.fail(Close.TOO_BIG)
                    self._broken()
                    return
                self._pieces.append(frame.data)
                if frame.fin:
                    pieces, self._pieces = self._pieces, None
                    self._came(b"".join(pieces))
            case Opcode.PING:
                if self._room is not None:
                    self._transport.abort()
                else:
                    self._transport.write(b"".join(self._wire.data_to_send()))
            case _:
                pass

    def _came(self, data: Any) -> None:
        """A message came whole."""
        text: str | None = None
        if not self._binary:
            try:
                text = str(data, "utf-8")
            except UnicodeDecodeError:
                self._wire.fail(Close.NOT_UTF8)
                self._broken()
                return
        if self._task is None:
            if text is None or not self._listener.heard_at_once(text):
                self._task = asyncio.get_running_loop().create_task(self._hear(text))
                self._server.tasks.add(self._task)
                self._task.add_done_callback(self._server.tasks.discard)
            return
        if self._unread is None:
            self._unread = deque()
        self._unread.append(text)
        # Not for each: to stop and to start again cost three system calls.
        if not self._paused and len(self._unread) >= MOST_UNREAD:
            self._paused = True
            self._transport.pause_reading()

    async def _hear(self, text: str | None) -> None:
        """Have the listener hear this message, and what comes meanwhile."""
        try:
            await self._listener.heard(text)
            while self._unread:
                text = self._unread.popleft()
                if not self._unread:
                    self._resume_reading()
                await self._listener.heard(text)
        except Exception:
            log.exception("socket.failed")
            self._hang_up()
        finally:
            self._unread = self._task = None
            self._resume_reading()
            if self._lost:
                self._listener.gone()

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # The end

    def _broken(self) -> None:
        """The client has said, or done, what ends it; websockets has the answer ready."""
        if not self._closing:
            self._closing = True
            self._transport.write(b"".join(self._wire.data_to_send()))
            self._hear_no_more()
            self._hang_up()

    def _hear_no_more(self) -> None:
        """Nothing comes any more. What has come before is heard to its end."""
        if not self._lost:
            self._lost = True
            if self._task is None:
                self._listener.gone()

    def _hang_up(self) -> None:
        """Close when all is sent."""
        self._transport.close()
        self._drop_later()

    def _drop_later(self) -> None:
        """Nobody waits for ever for a client to take what is sent, or to say good-bye."""
        if self._end is None:
            self._end = asyncio.get_running_loop().call_later(FAREWELL_S, self._transport.abort)
