"""HTTP as uvicorn speaks it, with an end to every patience: for a head, for a body, for a reader.

uvicorn by itself waits for ever and takes a head of any size that comes in one piece, so that a few thousand slow
connections would use up the process.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from app.cli.connections import Connections, Place
from app.cli.socket_protocol import SocketProtocol
from app.ids import uuid7

LARGEST_HEAD = 32 * 1024
"""Bytes of a request's line and headers."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds.

    Attributes:
        head: from the connection, or the head's first byte, to the head's end.
        body: from the head's end to the body's.
        reading: without taking anything of what is sent.
        farewell: from our end of a connection to its own.
    """

    head: float = 10.0
    body: float = 30.0
    reading: float = 30.0
    farewell: float = 5.0


class BoundedHttp(H11Protocol):
    """One HTTP connection. `bounded_http` makes the class that uvicorn needs.

    Attributes:
        patience: with this client.
        among: all connections of the process.
    """

    patience = Patience()
    among: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn: _BoundedHeads = _BoundedHeads(h11.SERVER, LARGEST_HEAD)
        self._place: Place | None = None
        self._refused = False
        self._awaits = ""
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._place = self.among.enter(transport, self.client[0] if self.client else "")
        if self._place is None:
            transport.abort()
            return
        self.conn.refusal = self._place.refusal
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        if self._place is not None:
            self.among.leave(self._place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)
            self._look()

    def eof_received(self) -> None:
        if self._refused:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(self.patience.reading, self._still_reading)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        socket = self.transport.get_protocol()
        assert isinstance(socket, SocketProtocol), "it took the transport over"
        socket.begin(self.among, self._place, self.conn.trailing_data[0])

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read (uvicorn's name for it), or a connection that is one too many."""
        status, code = self.conn.refusal or (400, "invalid")
        cycle = self._cycle
        if cycle is not None and not cycle.response_complete:
            # Its request has a faulty body. Whoever answers it must neither act on half of it nor be heard.
            cycle.disconnected = True
            cycle.message_event.set()
        self._refused = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(status, code)
            # The system would throw the answer away if it closed while more of the request is coming.
            self.transport.write_eof()
        else:
            self.transport.close()

    def _answer(self, status: int, code: str) -> None:
        error = {"code": code, "message": "This request was refused.", "request_id": str(uuid7())}
        body = json.dumps({"error": error}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("connection", "close"),
        ]
        if status in (429, 503):
            headers.append(("retry-after", "5"))
        response = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The latest request; None before the first."""
        return self.cycle

    def _look(self) -> None:
        """See what is waited for now, and set the clock when that is something new."""
        awaits = self._awaited()
        if awaits == self._awaits:
            return
        self._awaits = awaits
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if awaits == "end":
            self._reading = self._reading or self.loop.call_later(self.patience.farewell, self._still_reading)
        elif awaits in ("head", "body"):
            seconds = self.patience.head if awaits == "head" else self.patience.body
            self._timer = self.loop.call_later(seconds, self.transport.abort)
        if self._place is not None:
            (self.among.idle if awaits in ("head", "another") else self.among.busy)(self._place)

    def _still_reading(self, left: int | None = None) -> None:
        """Drop a client that takes nothing any more of what is sent to it.

        Args:
            left: bytes that were still to be sent when it was looked at last.
        """
        now_left = self.transport.get_write_buffer_size()
        if now_left and (left is None or now_left < left):
            self._reading = self.loop.call_later(self.patience.reading, self._still_reading, now_left)
        else:
            self.transport.abort()

    def _awaited(self) -> str:
        if self.transport.get_protocol() is not self:
            return "nothing"
        if self._refused or self.transport.is_closing():
            return "end"
        if self.conn.their_state is h11.IDLE:
            return "head" if self._cycle is None or self.conn.trailing_data[0] else "another"
        return "body" if self.conn.their_state is h11.SEND_BODY else "nothing"


class _BoundedHeads(h11.Connection):
    """h11, which by itself limits a head only while it is incomplete.

    Attributes:
        refusal: the status and code that explain why `next_event` raised; None for what is no HTTP.
    """

    refusal: tuple[int, str] | None = None

    def next_event(self) -> Any:
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                self.refusal = (431, "too_large")
            raise
        if isinstance(event, h11.Request):
            if _size(event) > LARGEST_HEAD:
                self.refusal = (431, "too_large")
            if self.refusal is not None:
                raise h11.RemoteProtocolError("refused", error_status_hint=self.refusal[0])
        return event


def bounded_http(among: Connections, patience: Patience | None = None) -> type[BoundedHttp]:
    """Return the protocol class of one server process."""
    return type("BoundedHttp", (BoundedHttp,), {"among": among, "patience": patience or Patience()})


def _size(request: h11.Request) -> int:
    lines = sum(len(name) + len(value) + 4 for name, value in request.headers)
    return len(request.method) + len(request.target) + 12 + lines
