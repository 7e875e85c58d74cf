"""HTTP as uvicorn speaks it, with a limit on how slowly a request may begin."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_HEAD = 20.0
"""Seconds from the connection to the end of its first request's headers."""


class BoundedHeadProtocol(H11Protocol):
    """Closes a connection that has not sent a whole request head in time.

    uvicorn itself would wait for ever, so that a few thousand idle sockets would use up the process.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(LONGEST_HEAD, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_timer.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        # A WebSocket has taken the transport over; a request has a cycle.
        taken_over = self.transport.get_protocol() is not self
        if not taken_over and getattr(self, "cycle", None) is None and not self.transport.is_closing():
            self.transport.close()
