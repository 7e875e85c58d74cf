"""The HTTP translator of errors: the only place where an error becomes a status code.

JSON for machines (docs/protocol.md), a page for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.errors import DeskbellError, Invalid, NotFound
from app.identity.access import SignInFirst
from app.pages.templates import page
from app.protocol.codes import ERRORS

TITLES = {
    400: "That cannot be read",
    401: "Sign in first",
    403: "Not for your role",
    404: "Nothing here",
    405: "Not like that",
    409: "That does not go together",
    413: "Too large",
    422: "That cannot be read",
    429: "One moment, please",
    500: "Something broke on our side",
    503: "Back in a moment",
}


def install(app: FastAPI) -> None:
    """Teach an application to answer errors."""
    app.add_exception_handler(DeskbellError, _deskbell_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)


def answer_for(request: Request, error: DeskbellError) -> Response:
    """Return the answer that tells a client of an error."""
    if isinstance(error, SignInFirst):
        return RedirectResponse(error.location, 303)
    status = ERRORS.get(error.code) or 500
    headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if error.retry_after_s else {}
    if _wants_page(request):
        return _error_page(request, status, error.message, headers)
    told: dict[str, Any] = {"code": error.code, "message": error.message, "request_id": _request_id(request)}
    if error.retry_after_s is not None:
        told["retry_after"] = error.retry_after_s
    if error.field is not None:
        told["field"] = error.field
    return JSONResponse({"error": told}, status, headers)


def unexpected(request: Request) -> Response:
    """Return the answer to a request that ran into a fault of ours."""
    words = "It has been written down and we can find it under the number below. Nothing you did caused it."
    return answer_for(request, DeskbellError(words if _wants_page(request) else "A fault of ours; it has been logged."))


async def _deskbell_error(request: Request, error: Exception) -> Response:
    return answer_for(request, cast(DeskbellError, error))


async def _invalid_request(request: Request, error: Exception) -> Response:
    return answer_for(request, _explained(cast(RequestValidationError, error).errors()))


async def _http_exception(request: Request, error: Exception) -> Response:
    problem = cast(HTTPException, error)
    match problem.status_code:
        case 404:
            return answer_for(request, NotFound())
        case 405:
            answer = answer_for(
                request, DeskbellError("This address does not take that method.", code="method_not_allowed")
            )
            answer.headers.update(problem.headers or {})
            return answer
        case 413:
            return answer_for(request, Invalid("At most 256 KiB, please.", code="too_large"))
        case status if status < 500:
            return answer_for(request, Invalid("That cannot be read."))
        case _:
            return unexpected(request)


def _explained(problems: Sequence[Any]) -> DeskbellError:
    """Return the one error that fits the first of pydantic's complaints."""
    first: dict[str, Any] = problems[0]
    place, *path = [str(part) for part in first["loc"]]
    if place == "path":
        # An id that cannot be one is like an id of nothing.
        return NotFound()
    if first["type"] == "json_invalid":
        return Invalid("The body is not JSON.", code="bad_json")
    return Invalid(f"{first['msg'].removeprefix('Value error, ')}.", field=".".join(path) or None)


def _wants_page(request: Request) -> bool:
    """Tell a person's browser from a program: by the address first, as a script may accept anything."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _error_page(request: Request, status: int, message: str, headers: dict[str, str]) -> Response:
    if status == 404:
        message = "There is no such page, or it is not yours to see."
    return page(
        "problem.html",
        request,
        status=status,
        headers=headers,
        title=TITLES.get(status, "That did not work"),
        message=message,
        number=_request_id(request) if status >= 500 else None,
    )


def _request_id(request: Request) -> str:
    return getattr(request.state, "request_id", "")
