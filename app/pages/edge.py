"""The edge of HTTP: what holds for every request and every answer, whatever route it is for. Pure ASGI.

    a request   has a Host that can be one, a body of at most 256 KiB, and plain JSON where it says JSON
    an answer   carries a request id, and the strictest headers unless its route has set its own

An error that nobody expected becomes a plain 500 here, logged under the same request id.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import DeskbellError, Invalid
from app.ids import uuid7
from app.pages.problems import answer_for, unexpected
from app.pages.strict_json import check_json

log = structlog.get_logger()

MOST_BYTES = 256 * 1024
DEFAULT_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Edge:
    """Wraps the whole HTTP application.

    Args:
        app: what it wraps.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(scope, send, request_id)
        try:
            _check_host(scope)
            body = await _read_body(scope, receive)
            if body is None:
                return
            await self._app(scope, _replayed(body, receive), answer.send)
        except DeskbellError as error:
            await answer_for(Request(scope), error)(scope, receive, answer.send)
        except Exception:
            log.exception("unexpected_error", request_id=request_id, path=scope["path"])
            if answer.begun:
                raise
            await unexpected(Request(scope))(scope, receive, answer.send)


class _Answer:
    """Sends an answer on, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            for name, value in DEFAULT_HEADERS.items():
                headers.setdefault(name, value)
            settings = getattr(self._scope["app"].state, "settings", None) if "app" in self._scope else None
            if settings is not None and settings.public_url.startswith("https://"):
                headers.setdefault("strict-transport-security", "max-age=31536000")
        await self._send(message)


def _check_host(scope: Scope) -> None:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].decode("latin-1")):
        raise Invalid("That Host cannot be one.", code="bad_host")


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Read the whole body, which is small, so that its size and shape are known before any route runs.

    Returns:
        None when the client left before its end: half a form must not pass for a whole one.
    """
    headers = Headers(scope=scope)
    too_large = Invalid("At most 256 KiB, please.", code="too_large")
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced[:12]) > MOST_BYTES or len(announced) > 12:
        raise too_large
    if scope["method"] in {"GET", "HEAD", "OPTIONS"} and announced == "0" and "transfer-encoding" not in headers:
        return b""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            raise too_large
    if headers.get("content-type", "").partition(";")[0].strip().lower().endswith("json"):
        check_json(bytes(body))
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` that gives the body in one piece, then what the server says (that the client left)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
