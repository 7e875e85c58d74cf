"""How facts leave a process: what the reactions need of the gateway, without knowing it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Outlet(Protocol):
    """Tells local sockets and other processes."""

    def event(self, conversation_id: UUID, lane: int, seq: int, frame: bytes) -> None:
        """Deliver a numbered event of a lane."""
        ...

    def tell(self, topic: str, payload: bytes) -> None:
        """Deliver an unnumbered payload of a topic: a frame (`{…`) or a signal to the gateways (`!…`)."""
        ...
