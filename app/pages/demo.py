"""A small shop that carries the widget exactly as a foreign website would, under the strictest policy."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from app.errors import NotFound
from app.identity.models import Site
from app.identity.sites import all_sites, site_by_key
from app.infra.work import RequestWork
from app.pages.assets import asset_root
from app.pages.browser_files import ROOT

router = APIRouter(include_in_schema=False)

DEMO_SITE = "s_demo"
_templates = Environment(loader=FileSystemLoader(ROOT / "demo"), autoescape=True)


@router.get("/demo")
async def get_shop(request: Request, work: RequestWork) -> Response:
    """Show the shop."""
    return await _page(request, work, "shop.html")


@router.get("/demo/delivery")
async def get_delivery(request: Request, work: RequestWork) -> Response:
    """Show a second page, so that one can see the chat come along."""
    return await _page(request, work, "delivery.html")


async def _page(request: Request, work: RequestWork, template: str) -> Response:
    # The widget may come from another origin than this page: that is what a foreign site is.
    server: str = request.app.state.settings.public_url.rstrip("/")
    site = await _site(work)
    page = _templates.get_template(template).render(server=server, site=site, root=asset_root())
    policy = (
        f"default-src 'none'; script-src {server}; frame-src {server}; style-src 'self'; img-src 'self' data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(page, headers=headers)


async def _site(work: RequestWork) -> Site:
    try:
        return await site_by_key(work.session, DEMO_SITE)
    except NotFound:
        sites = await all_sites(work.session)
        if not sites:
            raise
        return sites[0]
