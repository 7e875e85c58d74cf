"""The page where agents sign in, and the way out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app import clock
from app.errors import DeskbellError, Limited, Unauthorized, Unavailable
from app.identity.access import OnPage, OwnOrigin, cookie_name, current_agent
from app.identity.origins import local_path
from app.identity.sessions import revoke_sessions
from app.identity.sign_in import MAX_AGE_S, Attempt, Refused, sign_in
from app.infra.limits import Limits
from app.infra.work import RequestWork, WorkUnits
from app.pages.forms import Posted
from app.pages.templates import page
from app.protocol.codes import ERRORS

router = APIRouter(include_in_schema=False)

HOME = "/console"


@router.get("/")
async def get_front_door() -> Response:
    """Send whoever types the bare address to where the work is."""
    return RedirectResponse(HOME, 303)


@router.get("/sign-in")
async def get_sign_in(request: Request, work: RequestWork, next: str = "", out: str = "") -> Response:  # noqa: A002
    """Show the form, or go on if there is a session already."""
    try:
        await current_agent(request, work)
    except Unauthorized:
        notice = "You are signed out." if out else None
        return page("sign_in.html", request, email="", next=local_path(next, ""), notice=notice)
    return RedirectResponse(local_path(next, HOME), 303)


@router.post("/sign-in", dependencies=[OwnOrigin])
async def post_sign_in(request: Request, form: Posted) -> Response:
    """Open a session and put its token into a cookie."""
    units: WorkUnits = request.app.state.work
    limits: Limits = request.app.state.limits
    attempt = Attempt(
        email=form.text("email"),
        password=form.text("password"),
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
    )
    back = local_path(form.text("next"), "")
    try:
        token = await sign_in(units, limits, attempt, clock.now())
    except (Refused, Limited, Unavailable) as error:
        return _again(request, attempt, back, error)
    answer = RedirectResponse(back or HOME, 303)
    public_url: str = request.app.state.settings.public_url
    answer.set_cookie(
        cookie_name(public_url),
        token,
        max_age=MAX_AGE_S,
        path="/",
        httponly=True,
        samesite="lax",
        secure=public_url.startswith("https://"),
    )
    return answer


@router.post("/sign-out")
async def post_sign_out(request: Request, agent: OnPage, work: RequestWork) -> Response:
    """End this session."""
    await revoke_sessions(work, agent.id, clock.now(), only=agent.session_id)
    answer = RedirectResponse("/sign-in?out=1", 303)
    public_url: str = request.app.state.settings.public_url
    answer.delete_cookie(
        cookie_name(public_url),
        path="/",
        httponly=True,
        samesite="lax",
        secure=public_url.startswith("https://"),
    )
    return answer


def _again(request: Request, attempt: Attempt, back: str, error: DeskbellError) -> Response:
    headers = {"Retry-After": str(round(error.retry_after_s))} if error.retry_after_s else {}
    return page(
        "sign_in.html",
        request,
        status=ERRORS.get(error.code) or 400,
        headers=headers,
        email=attempt.email[:254],
        next=back,
        error=error,
    )
