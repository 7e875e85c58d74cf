"""The wire over plain HTTP, for visitors whose network blocks WebSocket.

One request is one short connection: a hello, some commands, and a wait for what comes. Its `pos` makes the next one go
on exactly where this one ended, on whatever process it lands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

from fastapi import APIRouter, Request, Response

from app.errors import Invalid, Limited, Unavailable
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.people import Guest
from app.gateway.switchboard import Switchboard
from app.gateway.throttle import Bucket
from app.identity.access import OwnOrigin
from app.infra.limits import Limit
from app.protocol.codes import MAX_FRAME_BYTES, Close

router = APIRouter()

LONGEST_WAIT_S = 25
MOST_LINES = 32
POLLS = Limit("long_poll", 240, 60)
"""By visitor: a busy chat asks once an event, and once a command."""
_ASKED = re.compile(r"wait=(\d{1,3})")
_EXPECTED = ('{"t":"ok"', '{"t":"snapshot"', '{"t":"ping"')


@router.post("/api/wire", dependencies=[OwnOrigin])
async def post_wire(request: Request) -> Response:
    """Carry out lines (the first is a hello) and answer with the server's; `Prefer: wait=20` waits for news."""
    desk: Desk = request.app.state.desk
    switchboard: Switchboard = request.app.state.switchboard
    if request.app.state.draining():
        raise Unavailable("This server is going away; ask again.", retry_after_s=0.5)
    if desk.polls.locked():
        raise Unavailable("Too many wait here; ask again.", retry_after_s=5)
    address = desk.addresses.name(
        request.client.host if request.client else "", forwarded="x-forwarded-for" in request.headers
    )
    if not desk.addresses.enter(address):
        raise Limited("There are too many connections from your address.", retry_after_s=5)
    try:
        async with desk.polls:
            return await _answer(desk, switchboard, request)
    finally:
        desk.addresses.leave(address)


async def _answer(desk: Desk, switchboard: Switchboard, request: Request) -> Response:
    first, *lines = _lines(await request.body())
    asked = _ASKED.search(request.headers.get("prefer", ""))
    wait_s = min(int(asked.group(1)), LONGEST_WAIT_S) if asked else 0
    mailbox = _Mailbox()
    connection = Connection(mailbox.send, Bucket(1, MOST_LINES), Bucket(1, 1), closing=mailbox.closing.set)
    connection.polled = True
    desk.hub.connections.add(connection)
    try:
        await switchboard.take(connection, first)
        if isinstance(connection.who, Guest):
            await desk.limits.hit(POLLS, str(connection.who.id))
        elif connection.open:
            connection.close(Close.FORBIDDEN)
        for line in lines:
            if connection.open:
                await switchboard.take(connection, line)
        await mailbox.settle(connection, wait_s)
    finally:
        code = connection.close_code
        connection.gone()
        desk.hub.drop(connection)
        if connection.who is not None:
            desk.roster.leave(connection.who.id, connection.heard_at)
    headers = {"cache-control": "no-store"}
    if code is not None:
        headers["deskbell-close"] = str(code)
    return Response("\n".join(mailbox.frames), media_type="text/plain; charset=utf-8", headers=headers)


def _lines(body: bytes) -> list[str]:
    """Return the lines of a request.

    Raises:
        Invalid: not UTF-8 (`bad_text`), too long (`too_large`), too many or none.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise Invalid("That is more than 64 KiB.", code="too_large")
    try:
        lines = [line for line in body.decode().split("\n") if line]
    except UnicodeDecodeError as error:
        raise Invalid("That is not UTF-8.", code="bad_text") from error
    if not 0 < len(lines) <= MOST_LINES:
        raise Invalid(f"Send 1 to {MOST_LINES} lines, a hello first.")
    return lines


class _Mailbox:
    """Stands where a socket's sending side would be."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.closing = asyncio.Event()
        self._came = asyncio.Event()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        text = message.get("text")
        if text is not None:
            self.frames.append(text)
            if not text.startswith(_EXPECTED):
                self._came.set()

    async def settle(self, connection: Connection, wait_s: float) -> None:
        """Wait until every command is answered, and then for news, as long as was asked for."""
        loop = asyncio.get_running_loop()
        closing = asyncio.ensure_future(self.closing.wait())
        came = asyncio.ensure_future(self._came.wait())
        until = loop.time() + wait_s
        try:
            while connection.in_flight and connection.open:
                await asyncio.wait([closing], timeout=0.01)
            await connection.drained()
            if connection.open and not self._came.is_set() and until > loop.time():
                await asyncio.wait([closing, came], timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            # What comes with the news should come along.
            await asyncio.sleep(0.02)
            await connection.drained()
        finally:
            closing.cancel()
            came.cancel()
