"""The admin pages, all of them: one router for `main`."""

from __future__ import annotations

from fastapi import APIRouter

from app.pages import (
    admin_agents,
    admin_canned,
    admin_overview,
    admin_ratings,
    admin_sites,
    admin_teams,
    sign_in,
)

router = APIRouter(include_in_schema=False)
for section in (
    sign_in,
    admin_overview,
    admin_canned,
    admin_ratings,
    admin_agents,
    admin_teams,
    admin_sites,
):
    router.include_router(section.router)
