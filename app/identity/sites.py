"""Sites: the websites that carry the widget."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid, NotFound
from app.identity.events import SiteChanged
from app.identity.models import Site, Team
from app.identity.origins import clean_origin
from app.identity.skills import clean_skills
from app.ids import SiteId, TeamId, site_key
from app.infra.work import Work
from app.text import clean_line, clean_text

PRE_CHAT = ("off", "optional", "required")
ACCENT = "#5b5bd6"
MOST_BOOST_S = 900


@dataclass(frozen=True, slots=True)
class SiteDetails:
    """What an admin says of a site; `skills` by commas."""

    name: str
    team_id: TeamId
    origins: Sequence[str] = ()
    greeting: str = ""
    accent: str = ACCENT
    pre_chat: str = "optional"
    locale: str = "en"
    skills: str = ""
    by_language: bool = False
    boost_s: int = 0


async def site_by_key(session: AsyncSession, key: str) -> Site:
    """Return the site of a public key.

    Raises:
        NotFound: there is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", key):
        raise NotFound
    site = await session.scalar(select(Site).where(Site.key == key))
    if site is None:
        raise NotFound
    return site


async def site_by_id(session: AsyncSession, site_id: SiteId) -> Site:
    """Return a site.

    Raises:
        NotFound: there is none.
    """
    site = await session.get(Site, site_id)
    if site is None:
        raise NotFound
    return site


async def all_sites(session: AsyncSession) -> Sequence[Site]:
    """Return every site by name."""
    return (await session.scalars(select(Site).order_by(Site.name, Site.id))).all()


async def create_site(work: Work, details: SiteDetails, *, key: str | None = None) -> Site:
    """Create a site with a fresh key and identity secret.

    Raises:
        Invalid: one of the details is wrong; `field` says which.
    """
    site = Site(key=key or site_key(), identity_secret=new_identity_secret())
    await _apply(work.session, site, details)
    work.session.add(site)
    await work.session.flush()
    work.record(SiteChanged(SiteId(site.id)))
    return site


async def change_site(work: Work, site_id: SiteId, details: SiteDetails) -> Site:
    """Give a site new details.

    Raises:
        Invalid: one of the details is wrong; `field` says which.
        NotFound: no such site.
    """
    site = await site_by_id(work.session, site_id)
    await _apply(work.session, site, details)
    work.record(SiteChanged(SiteId(site.id)))
    return site


async def rotate_identity_secret(work: Work, site_id: SiteId) -> Site:
    """Give a site a new identity secret; what was signed with the old one is refused from now on."""
    site = await site_by_id(work.session, site_id)
    site.identity_secret = new_identity_secret()
    work.record(SiteChanged(SiteId(site.id)))
    return site


def new_identity_secret() -> str:
    """Return a fresh secret of 256 bits."""
    return secrets.token_hex(32)


def clean_origins(lines: Iterable[str]) -> list[str]:
    """Return the origins, each once, in the order given.

    Raises:
        Invalid: one of them is not an origin, or there are more than 50.
    """
    origins = list(dict.fromkeys(clean_origin(line, field="origins") for line in lines if line.strip()))
    if len(origins) > 50:
        raise Invalid("At most 50 origins, please.", field="origins")
    return origins


async def _apply(session: AsyncSession, site: Site, details: SiteDetails) -> None:
    site.name = clean_line(details.name, field="name", most=80)
    site.origins = clean_origins(details.origins)
    site.greeting = clean_text(details.greeting, field="greeting", most=300, need=False)
    accent = details.accent.strip().lower()
    if not re.fullmatch(r"#[0-9a-f]{6}", accent):
        raise Invalid("Write the colour as # and six hexadecimal digits, like #5b5bd6.", field="accent")
    site.accent = accent
    if details.pre_chat not in PRE_CHAT:
        raise Invalid("Choose off, optional or required.", field="pre_chat")
    site.pre_chat = details.pre_chat
    if not re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", details.locale):
        raise Invalid("Write the language as a tag like en or pt-BR.", field="locale")
    site.locale = details.locale
    site.skills, site.by_language = clean_skills(details.skills), details.by_language
    if not 0 <= details.boost_s <= MOST_BOOST_S:
        raise Invalid(f"A number from 0 to {MOST_BOOST_S}, please.", field="boost_s")
    site.boost_s = details.boost_s
    if await session.get(Team, details.team_id) is None:
        raise Invalid("Choose a team.", field="team_id")
    site.team_id = details.team_id
