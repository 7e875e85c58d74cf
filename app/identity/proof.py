"""A site's word for who a visitor is: a JWT that it has signed, or a seal (an HMAC) over what it says."""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.errors import Invalid, Unauthorized
from app.identity.models import Site
from app.identity.schemas import SealedUser, SignedUser
from app.text import clean_line

LONGEST_LIFE = timedelta(hours=24)
LEEWAY_S = 60
"""Seconds by which a site's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """Who a site says a visitor is. All of it is proven.

    Attributes:
        external_id: the site's own id of the person.
        email, name: None when not given.
    """

    external_id: str
    email: str | None
    name: str | None


def verify_site_identity(site: Site, user: SignedUser | SealedUser, now: datetime) -> VerifiedUser:
    """Check a site's word for who a visitor is.

    A JWT is signed with HS256 and the site's identity secret. It has `sub` (the site's id of the person), `aud`
    (the site's key) and `exp` (at most 24 hours ahead), and may have `email` and `name`. A seal is the
    HMAC-SHA256 with the same secret, in hexadecimal, of `sealed_text`.

    Raises:
        Unauthorized: for anything else.
    """
    try:
        if isinstance(user, SignedUser):
            return _from_jwt(site, user.jwt, now)
        return _from_seal(site, user)
    except (Invalid, JoseError, ValueError, TypeError, RecursionError) as error:
        raise Unauthorized from error


def _from_jwt(site: Site, text: str, now: datetime) -> VerifiedUser:
    key = OctKey.import_key(site.identity_secret.encode())
    token = jwt.decode(text, key, algorithms=["HS256"])
    # `crit`, `b64`, `jku` and their like change what a signature means: none of them is understood here.
    if not token.header.keys() <= {"alg", "typ", "kid"} or token.header.get("typ", "JWT") != "JWT":
        raise Unauthorized
    claims = token.claims
    if claims.get("aud") != site.key:
        raise Unauthorized
    at = now.timestamp()
    exp = _moment(claims, "exp")
    if exp is None or not at < exp <= at + LONGEST_LIFE.total_seconds() + LEEWAY_S:
        raise Unauthorized
    for name in ("nbf", "iat"):
        moment = _moment(claims, name)
        if moment is not None and moment > at + LEEWAY_S:
            raise Unauthorized
    return VerifiedUser(
        external_id=_line(claims, "sub", 255) or _refuse(),
        email=_line(claims, "email", 254),
        name=_line(claims, "name", 200),
    )


def _from_seal(site: Site, user: SealedUser) -> VerifiedUser:
    text = sealed_text(user.id, user.email, user.name)
    right = hmac.new(site.identity_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), user.hmac.lower().encode()):
        raise Unauthorized
    return VerifiedUser(
        external_id=clean_line(user.id, field="id", most=255),
        email=clean_line(user.email, field="email", most=254) if user.email else None,
        name=clean_line(user.name, field="name", most=200) if user.name else None,
    )


def sealed_text(user_id: str, email: str | None = None, name: str | None = None) -> str:
    """Return what a seal covers: the id alone, or the id, the e-mail and the name as three lines.

    A seal over the id alone would let everybody who has one put somebody else's address beside it.
    """
    return "\n".join((user_id, email or "", name or "")) if email or name else user_id


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthorized
    return float(value)


def _line(claims: dict[str, Any], name: str, most: int) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unauthorized
    return clean_line(value, field=name, most=most, need=False) or None


def _refuse() -> str:
    raise Unauthorized
