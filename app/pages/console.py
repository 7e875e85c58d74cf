"""The agents' console: one page behind the session. Everything on it comes over the socket."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from app.identity.access import OnPage
from app.pages.assets import asset_root
from app.pages.browser_files import ROOT

router = APIRouter(include_in_schema=False)

_FOLDER = ROOT / "console"
_templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
_MODULES = sorted(f"console/{file.relative_to(_FOLDER).as_posix()}" for file in _FOLDER.rglob("*.js"))


@router.get("/console")
async def get_console(request: Request, agent: OnPage) -> HTMLResponse:
    """Send the console; without a session, to the sign-in page and back."""
    page = _templates.get_template("index.html").render(
        agent=agent.id, root=asset_root(), modules=[*_MODULES, "vendor/preact.js"]
    )
    return HTMLResponse(page, headers=_headers(request.app.state.settings.public_url))


def _headers(public_url: str) -> dict[str, str]:
    parts = urlsplit(public_url)
    socket_origin = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    policy = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        f"connect-src 'self' {socket_origin}",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
