"""Signing in: one answer and one effort, whether the account exists or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.errors import DeskbellError
from app.identity.agents import agent_by_email
from app.identity.sessions import ABSOLUTE, open_session
from app.ids import AgentId
from app.infra.limits import Limit, Limits
from app.infra.passwords import password_fits
from app.infra.work import WorkUnits

PER_ACCOUNT = Limit("sign-in", times=5, seconds=300)
"""For one address and account: guessing one password."""
PER_ADDRESS = Limit("sign-in-address", times=60, seconds=300)
"""For one address and all accounts: trying leaked passwords. Wide, as an office shares an address."""

MAX_AGE_S = int(ABSOLUTE.total_seconds())


class Refused(DeskbellError):
    """The e-mail address and the password do not go together; it is not told which of them is wrong."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("That e-mail address and password don't go together. Check both, then try again.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tries to sign in with, and from where."""

    email: str
    password: str
    address: str = ""
    user_agent: str = ""


async def sign_in(units: WorkUnits, limits: Limits, attempt: Attempt, now: datetime) -> str:
    """Open a session and return its token.

    Raises:
        Refused: wrong e-mail address or password, or the account is switched off.
        Limited: too many attempts.
        Unavailable: the database cannot be reached, or too many people are signing in at once.
    """
    account = attempt.email.strip().lower()[:254]
    await limits.hit(PER_ADDRESS, attempt.address)
    await limits.hit(PER_ACCOUNT, attempt.address, account)
    async with units.reading() as session:
        agent = await agent_by_email(session, _storable(account))
    # Outside the transaction: hashing takes long, and a connection is worth more than a moment.
    fits = await password_fits(attempt.password[:1000], agent.password_hash if agent else None)
    if agent is None or not fits or not agent.active:
        raise Refused
    await limits.forget(PER_ACCOUNT, attempt.address, account)
    async with units.begin() as work:
        token, _ = await open_session(
            work.session,
            AgentId(agent.id),
            now,
            address=attempt.address,
            user_agent=_storable(attempt.user_agent),
        )
    return token


def _storable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
