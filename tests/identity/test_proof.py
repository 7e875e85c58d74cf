"""A site's word for who a visitor is: what counts, and the many things that do not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import Unauthorized
from app.identity.models import Site
from app.identity.schemas import SealedUser, SignedUser
from app.identity.tokens import VerifiedUser, verify_site_identity

SECRET = "the shop's own secret"
SITE = Site(key="s_shop", identity_secret=SECRET)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
CLAIMS = {"sub": "u-17", "aud": "s_shop", "exp": AT + 3600, "email": "vera@mail.example", "name": "Vera"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(
    claims: Any = None, header: Any = None, *, key: str = SECRET, algorithm: str = "sha256", **changes: Any
) -> SignedUser:
    """A token made by hand, so that it can be wrong in any way."""
    claims = {**CLAIMS, **changes} if claims is None else claims
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return SignedUser(jwt=f"{signed}.{b64(hmac.new(key.encode(), signed.encode(), algorithm).digest())}")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def test_a_right_token_proves_the_id_and_the_email() -> None:
    assert verify_site_identity(SITE, jwt(), NOW) == VerifiedUser("u-17", "vera@mail.example", "Vera")
    assert verify_site_identity(SITE, jwt({"sub": "u", "aud": "s_shop", "exp": AT + 5}), NOW).email is None
    assert verify_site_identity(SITE, jwt(header={"alg": "HS256"}), NOW).external_id == "u-17"


WRONG = {
    "another secret": jwt(key="guessed"),
    "alg none": jwt(header={"alg": "none", "typ": "JWT"}),
    "alg None without a signature": SignedUser(jwt=jwt(header={"alg": "None"}).jwt.rpartition(".")[0] + "."),
    "HS512 with the right secret": jwt(header={"alg": "HS512"}, algorithm="sha512"),
    "HS256 named, HS512 used": jwt(algorithm="sha512"),
    "RS256": jwt(header={"alg": "RS256"}),
    "lower-case alg": jwt(header={"alg": "hs256"}),
    "alg a list": jwt(header={"alg": ["HS256"]}),
    "no alg": jwt(header={"typ": "JWT"}),
    "typ of another kind": jwt(header={"alg": "HS256", "typ": "at+jwt"}),
    "crit": jwt(header={"alg": "HS256", "crit": ["exp"]}),
    "crit with an extension": jwt(header={"alg": "HS256", "crit": ["x"], "x": 1}),
    "b64 false": jwt(header={"alg": "HS256", "b64": False, "crit": ["b64"]}),
    "a key of its own": jwt(header={"alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"mine")}}, key="mine"),
    "jku": jwt(header={"alg": "HS256", "jku": "https://evil.example/keys"}),
    "header not an object": jwt(header=["HS256"]),
    "another site": jwt(aud="s_other"),
    "many audiences": jwt(aud=["s_shop", "s_other"]),
    "aud true": jwt(aud=True),
    "no aud": jwt(without("aud")),
    "expired": jwt(exp=AT - 1),
    "expires now": jwt(exp=AT),
    "lives too long": jwt(exp=AT + 24 * 3600 + 120),
    "lives for ever": jwt(without("exp")),
    "exp a text": jwt(exp=str(AT + 60)),
    "exp true": jwt(exp=True),
    "exp endless": jwt(exp=float("inf")),
    "exp NaN": jwt(exp=float("nan")),
    "not yet": jwt(nbf=AT + 3600),
    "issued in the future": jwt(iat=AT + 3600),
    "no sub": jwt(without("sub")),
    "empty sub": jwt(sub="  "),
    "sub a number": jwt(sub=17),
    "sub an object": jwt(sub={"id": 17}),
    "sub too long": jwt(sub="x" * 256),
    "U+0000 in the name": jwt(name="Ve\x00ra"),
    "a lone surrogate": jwt(name="\ud800"),
    "email a list": jwt(email=["a@b.example"]),
    "claims a list": jwt([1, 2]),
    "claims deep": jwt({"sub": "u", "aud": "s_shop", "exp": AT + 9, "x": json.loads("[" * 900 + "]" * 900)}, key="no"),
    "two parts": SignedUser(jwt=jwt().jwt.rpartition(".")[0]),
    "five parts": SignedUser(jwt=jwt().jwt + ".a.b"),
    "no base64": SignedUser(jwt="a.b.c"),
    "not ASCII": SignedUser(jwt="é.é.é"),
}


@pytest.mark.parametrize("user", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_token_is_refused_with_the_same_words(user: SignedUser) -> None:
    with pytest.raises(Unauthorized) as caught:
        verify_site_identity(SITE, user, NOW)
    assert (caught.value.code, caught.value.message, caught.value.field) == ("unauthorized", "Sign in again.", None)


def seal(text: str, key: str = SECRET) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("given", "sealed"),
    [
        ({}, "u-17"),
        ({"email": "vera@mail.example", "name": "Vera"}, "u-17\nvera@mail.example\nVera"),
        ({"email": "vera@mail.example"}, "u-17\nvera@mail.example\n"),
        ({"name": "Vera"}, "u-17\n\nVera"),
    ],
)
def test_a_right_seal_proves_all_that_is_said(given: dict[str, str], sealed: str) -> None:
    user = SealedUser(id="u-17", hmac=seal(sealed), **given)
    assert verify_site_identity(SITE, user, NOW) == VerifiedUser("u-17", given.get("email"), given.get("name"))


@pytest.mark.parametrize(
    "user",
    [
        SealedUser(id="u-18", hmac=seal("u-17")),
        SealedUser(id="u-17", hmac=seal("u-17"), email="boss@mail.example"),
        SealedUser(id="u-17", hmac=seal("u-17"), name="The boss"),
        SealedUser(id="u-17", hmac=seal("u-17\nvera@mail.example\n"), email="boss@mail.example"),
        SealedUser(id="u-17\nboss@mail.example\n", hmac=seal("u-17\nboss@mail.example\n")),
        SealedUser(id="u-17", hmac=seal("u-17", "guessed")),
        SealedUser(id="u-17", hmac=seal("u-17")[:-1]),
        SealedUser(id="u-17", hmac=hashlib.sha256(b"u-17").hexdigest()),
        SealedUser(id="u-17", hmac="é" * 64),
        SealedUser(id="u\x0017", hmac=seal("u\x0017")),
        SealedUser(id=" ", hmac=seal(" ")),
        SealedUser(id="u-17", hmac=seal("u-17\n\n\x00"), name="\x00"),
    ],
)
def test_a_wrong_seal_is_refused(user: SealedUser) -> None:
    with pytest.raises(Unauthorized):
        verify_site_identity(SITE, user, NOW)
