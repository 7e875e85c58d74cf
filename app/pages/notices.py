"""What a page says after something was done: a closed list, as the word for it stands in the address."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import RedirectResponse

NOTICES = {
    "created": "Created.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "password": "The new password is set. They are signed out everywhere.",
    "rotated": "There is a new secret. Put it in place on your server.",
}


def go(path: str, notice: str) -> RedirectResponse:
    """Send the browser on after a form was carried out."""
    return RedirectResponse(f"{path}?done={notice}", 303)


def notice_of(request: Request) -> str | None:
    """Return the words for the notice that an address names."""
    return NOTICES.get(request.query_params.get("done", ""))
