"""Where a request may come from: our own pages, or a page of a site that carries the widget. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from app.errors import Invalid

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def own_origins(public_url: str, console_origins: Iterable[str] = ()) -> frozenset[str]:
    """Return the origins of Deskbell's own pages.

    A loopback address has three names for one place, and a person may type any of them.
    """
    own = {public_url.rstrip("/").lower(), *(origin.lower() for origin in console_origins)}
    parts = urlsplit(public_url)
    if parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        port = f":{parts.port}" if parts.port else ""
        own |= {f"{parts.scheme}://{name}{port}" for name in _LOOPBACK}
    return frozenset(own)


def clean_origin(text: str, *, field: str | None = None) -> str:
    """Return an origin as browsers send it: scheme, host in lower case, port only if it is not the usual one.

    Raises:
        Invalid: it is not an origin.
    """
    wrong = Invalid(f"“{text[:80]}” is not an origin. Write it like https://shop.example, without a path.", field=field)
    try:
        parts = urlsplit(text.strip().rstrip("/"))
        port = parts.port
    except ValueError:
        raise wrong from None
    host = (parts.hostname or "").lower()
    plain = parts.scheme in {"http", "https"} and not (parts.path or parts.query or parts.fragment)
    if not plain or parts.username is not None or not _is_host(host):
        raise wrong
    if ":" in host:
        host = f"[{host}]"
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def local_path(text: str | None, fallback: str = "/") -> str:
    """Return a path on this server, for a redirect after sign-in; anything else becomes `fallback`."""
    if text and len(text) <= 2000 and re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", text):
        return text
    return fallback


def _is_host(host: str) -> bool:
    if ":" in host:
        return re.fullmatch(r"[0-9a-f:.]{2,45}", host) is not None
    label = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
    return len(host) <= 253 and re.fullmatch(rf"{label}(?:\.{label})*", host) is not None
