"""The first start: an owner, a team, a site and a few replies, made by `serve` or by `init`."""

from __future__ import annotations

from app.canned.starters import add_starters
from app.cli.offline_work import offline_work
from app.identity.first_run import OWNER_EMAIL, FirstSignIn, ensure_first_run
from app.settings import Settings


async def first_run(
    settings: Settings, *, email: str = OWNER_EMAIL, name: str = "Owner", password: str | None = None
) -> FirstSignIn | None:
    """Make what a new, migrated database needs; None if somebody is there already.

    Raises:
        Invalid: the e-mail address, name or password will not do.
        Unavailable: the database cannot be reached.
    """
    async with offline_work(settings.database_url) as units:
        first = await ensure_first_run(units, settings.public_url, email=email, name=name, password=password)
        if first is not None:
            async with units.begin() as work:
                add_starters(work.session, first.agent_id)
        return first


def sign_in_lines(first: FirstSignIn) -> list[str]:
    """Return what to print after a first run. The password is shown this once."""
    return ["  First sign-in (shown only this once)", f"  E-mail     {first.email}", f"  Password   {first.password}"]
