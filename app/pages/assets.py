"""Serves the browser's files: `/assets/<folder>/…`, and for templates the same under a name that never changes."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from app.errors import NotFound
from app.pages.browser_files import BrowserFile, browser_files

router = APIRouter(include_in_schema=False)

_VERSIONED = re.compile(r"v-([0-9a-f]{12})/(.+)")


def asset_root() -> str:
    """Return the path that templates put before `shared/tokens.css` and the like.

    It names the present version of all files, so that what lies under it never changes and browsers need not ask again.
    """
    return f"/assets/v-{browser_files.version()}"


def send_file(request: Request, file: BrowserFile, *, cache: str, cross_origin: bool = False) -> Response:
    """Answer with a file: compressed when the browser can, 304 when it has it already."""
    headers = {
        "Cache-Control": cache,
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin" if cross_origin else "same-origin",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.gzipped, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.media_type, headers=headers)


@router.api_route("/assets/{path:path}", methods=["GET", "HEAD"])
async def get_asset(request: Request, path: str) -> Response:
    """Send one file of web/."""
    versioned = _VERSIONED.fullmatch(path)
    file = browser_files.find(versioned[2] if versioned else path)
    if file is None:
        raise NotFound
    current = versioned is not None and versioned[1] == browser_files.version()
    return send_file(request, file, cache="public, max-age=31536000, immutable" if current else "no-cache")
