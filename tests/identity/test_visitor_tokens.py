"""The visitor's signed token."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from app.errors import Unauthorized
from app.identity.tokens import VISITOR_LIFE, VisitorClaim, issue_visitor_token, read_visitor_token
from app.ids import SiteId, VisitorId, uuid7

SECRET = b"s" * 32
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
VERA, SHOP = VisitorId(uuid7()), SiteId(uuid7())


def token(epoch: int = 0) -> str:
    return issue_visitor_token(SECRET, VERA, SHOP, epoch, NOW)[0]


def test_a_token_says_who_where_and_which_epoch() -> None:
    assert read_visitor_token(SECRET, token(3), NOW) == VisitorClaim(VERA, SHOP, 3)


def test_a_token_lasts_thirty_days_and_no_longer() -> None:
    text, expires_at = issue_visitor_token(SECRET, VERA, SHOP, 0, NOW)
    assert expires_at == NOW + VISITOR_LIFE
    assert read_visitor_token(SECRET, text, expires_at - timedelta(seconds=1))
    with pytest.raises(Unauthorized):
        read_visitor_token(SECRET, text, expires_at)


def test_another_installations_token_is_refused() -> None:
    with pytest.raises(Unauthorized):
        read_visitor_token(b"t" * 32, token(), NOW)


def test_a_token_of_another_kind_with_the_same_secret_is_refused() -> None:
    payload = token().rpartition(".")[0]
    for salt in ("deskbell.rating.1", "itsdangerous.Signer"):
        with pytest.raises(Unauthorized):
            read_visitor_token(SECRET, Signer(SECRET, salt=salt).sign(payload).decode(), NOW)


@given(st.data())
def test_a_token_with_a_changed_character_is_refused(data: st.DataObject) -> None:
    text = token()
    # The last character of the signature carries bits that no byte has.
    place = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.characters(exclude_characters=[text[place]]))
    with pytest.raises(Unauthorized):
        read_visitor_token(SECRET, text[:place] + other + text[place + 1 :], NOW)


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_is_a_token_by_chance_or_breaks_the_reader(text: str) -> None:
    with pytest.raises(Unauthorized):
        read_visitor_token(SECRET, text, NOW)
