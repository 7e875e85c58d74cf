"""The admin pages' templates: autoescaped, strict about missing values, sent with the strictest headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.identity.permissions import May
from app.pages.assets import asset_root

ROOT = Path(__file__).resolve().parents[2] / "web" / "admin" / "templates"

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def page(
    template: str, request: Request, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Return an HTML page.

    Args:
        template: a file of web/admin/templates.
        request: what it answers.
        status: the HTTP status.
        headers: more headers.
        values: what the template needs.
    """
    text = _environment.get_template(template).render(
        assets=asset_root(), path=request.url.path, may=May, **{"agent": None, "error": None, "notice": None, **values}
    )
    return HTMLResponse(text, status, {**HEADERS, **(headers or {})})


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it: `42 s`, `3 min`, `1 h 12 min`."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10 and rest:
        return f"{minutes} min {rest} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(value: float | None) -> str:
    """Return a share as a whole number of percent; an en dash for none."""
    return "–" if value is None else f"{round(value * 100)}\N{NO-BREAK SPACE}%"


def day(value: date) -> str:
    """Return a day as `22 Nov`."""
    return f"{value.day} {value:%b}"


def moment(value: datetime) -> str:
    """Return a moment as `22 Nov 2026, 07:15`."""
    return f"{value.day} {value:%b %Y, %H:%M}"


def initials(name: str) -> str:
    """Return the one or two letters that stand for a name; see web/shared/avatar.js."""
    words = name.split()
    letters = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0].upper() for word in letters) or "?"


def tint(name: str) -> str:
    """Return a name's tint, the same as web/shared/avatar.js gives it."""
    value = 0
    for character in name:
        value = (value * 31 + ord(character)) & 0xFFFFFFFF
    return str(value % 8)


def _made() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, percent=percent, day=day, moment=moment, initials=initials, tint=tint)
    return environment


_environment = _made()
