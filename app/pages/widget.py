"""What a website embeds: the loader of the script tag, and the chat's own page for the iframe."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from app.errors import NotFound
from app.identity.origins import own_origins
from app.identity.sites import site_by_key
from app.infra.work import RequestWork
from app.pages.assets import asset_root, send_file
from app.pages.browser_files import ROOT, browser_files

router = APIRouter(include_in_schema=False)

_templates = Environment(loader=FileSystemLoader(ROOT / "widget"), autoescape=True)


@router.api_route("/widget.js", methods=["GET", "HEAD"])
async def get_loader(request: Request) -> Response:
    """Send the script of the script tag."""
    file = browser_files.find("dist/loader.js" if browser_files.bundled() else "widget/loader.js")
    if file is None:
        raise NotFound
    cache = "public, max-age=300, stale-while-revalidate=86400"
    return send_file(request, file, cache=cache, cross_origin=True)


@router.get("/widget/frame")
async def get_frame(request: Request, work: RequestWork, site: str = "") -> Response:
    """Send the chat of one site. Only that site's pages, and our own, may show it."""
    try:
        found = await site_by_key(work.session, site)
    except NotFound:
        return HTMLResponse("<!doctype html><title>No such chat</title>", 404, _headers("", "'none'"))
    public_url: str = request.app.state.settings.public_url
    # A policy cannot name an IPv6 address.
    origins = sorted(name for name in {*found.origins, *own_origins(public_url)} if "[" not in name)
    page = _templates.get_template("frame.html").render(
        site=found, origins=" ".join(origins), root=asset_root(), **_parts()
    )
    return HTMLResponse(page, headers=_headers(_socket_origin(public_url), " ".join(origins)))


def _parts() -> dict[str, list[str]]:
    """Return the chat's sheets and modules: one of each when they have been put together, else all of them."""
    if browser_files.bundled():
        return {"sheets": ["dist/chat.css"], "modules": ["dist/chat.js"]}
    return {
        "sheets": ["shared/tokens.css", "widget/chat.css"],
        "modules": browser_files.modules("widget/main.js"),
    }


def _socket_origin(public_url: str) -> str:
    parts = urlsplit(public_url)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"


def _headers(socket_origin: str, ancestors: str) -> dict[str, str]:
    policy = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        f"connect-src 'self' {socket_origin}".rstrip(),
        "base-uri 'none'",
        "form-action 'none'",
        f"frame-ancestors {ancestors}",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        # A page that isolates itself (COEP) may frame us too.
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
