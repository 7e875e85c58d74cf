"""The handshake of a WebSocket as uvicorn speaks it, mended where a client that means no good would find a hole.

a handshake that cannot be read         is answered (uvicorn would hold the connection open for ever)
a refusal, a client that left early     leave no error in the log
what comes behind the handshake         waits until it was answered

Whoever lets a socket in takes it over (`TAKE_OVER`): nothing of the handshake is kept after that.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from app.cli.connections import Connections, Place
from app.cli.open_socket import FAREWELL_S, OpenSocket
from app.gateway.endpoint import TAKE_OVER, Listener

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection until it is open, or refused."""

    def __init__(self, *args: Any, server_state: ServerState, **kwargs: Any) -> None:
        super().__init__(*args, server_state=server_state, **kwargs)
        self._server = server_state
        self._among: Connections | None = None
        self._place: Place | None = None
        self._early: bytes | None = None
        self._open = False
        self._end: asyncio.TimerHandle | None = None

    def begin(self, among: Connections, place: Place | None, early: bytes) -> None:
        """The handshake was handed over.

        Args:
            among: all connections of the process.
            place: this one's among them.
            early: what came right behind the handshake.
        """
        self._among, self._place, self._early = among, place, early
        if self.transport.is_closing():
            return
        if not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self._close()
        else:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            super().data_received(data)
        else:
            self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        if self._among is not None and self._place is not None:
            self._among.leave(self._place)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The process ends."""
        if not self.handshake_complete:
            self._refuse_unanswered(HTTPStatus.SERVICE_UNAVAILABLE)
        self._close()

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]  # pyright: ignore
        extensions[TAKE_OVER] = self._take_over
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("The handshake failed")
            self._refuse_unanswered(HTTPStatus.INTERNAL_SERVER_ERROR)
        # It would keep this object, and all that belongs to the handshake, until the garbage is collected.
        del extensions[TAKE_OVER]
        if not self._open:
            self._close()

    async def send(self, message: Any) -> None:
        kind = message["type"]
        await super().send(message)
        if kind == "websocket.accept" and not self.handshake_complete:
            raise ClientDisconnected
        if kind == "websocket.http.response.body" and not message.get("more_body", False):
            # It is answered; uvicorn would take it for forgotten.
            self.handshake_complete = True

    def _take_over(self, listener: Listener) -> OpenSocket:
        """The socket was accepted: from now on `listener` hears it."""
        assert self._among is not None, "it has begun"
        self._open = True
        largest = self.config.ws_max_size
        socket = OpenSocket(self.transport, listener, largest, self._server, self._among, self._place)
        self.connections.discard(self)
        self.transport.set_protocol(socket)
        self.loop.call_soon(socket.begin, self._early or b"")
        return socket

    def _refuse_unanswered(self, status: HTTPStatus) -> None:
        """Answer a handshake that nobody has answered."""
        if self.initial_response is None and not self.handshake_complete and not self.conn.eof_sent:
            self.conn.send_response(self.conn.reject(status, ""))
            self.transport.write(b"".join(self.conn.data_to_send()))
        # Whoever answers it now is too late.
        self.disconnected = True

    def _close(self) -> None:
        """Close when all is sent; nobody waits for ever for a client to take it."""
        self.transport.close()
        if self._end is None:
            self._end = self.loop.call_later(FAREWELL_S, self.transport.abort)
