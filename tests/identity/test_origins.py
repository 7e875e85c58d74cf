"""Origins and the paths that a sign-in may lead back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.identity.origins import clean_origin, local_path, own_origins


def test_a_loopback_address_has_three_names() -> None:
    assert own_origins("http://127.0.0.1:8000") == {
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "http://[::1]:8000",
    }


def test_a_public_address_has_one_name_and_the_ones_that_were_added() -> None:
    assert own_origins("https://chat.example") == {"https://chat.example"}
    assert own_origins("https://chat.example", ["https://desk.example"]) == {
        "https://chat.example",
        "https://desk.example",
    }


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        (" https://Shop.Example/ ", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(typed: str, origin: str) -> None:
    assert clean_origin(typed) == origin


@pytest.mark.parametrize(
    "typed",
    [
        "shop.example", "https://", "https://shop.example/path", "https://shop.example?x", "ftp://shop.example",
        "javascript:alert(1)", "https://user@shop.example", "https://shop.example:99999", "https://*.shop.example",
        "https://a b", "null", "https://shop.example;frame-ancestors *", "https://[::1", "https://shop.example'",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        clean_origin(typed, field="origins")
    assert caught.value.field == "origins"


@given(st.text(max_size=80))
def test_an_accepted_origin_cannot_break_out_of_a_header(typed: str) -> None:
    try:
        origin = clean_origin(typed)
    except Invalid:
        return
    assert not set(origin) & set(" \t\r\n;,'\"<>*\\")


@pytest.mark.parametrize("path", ["/admin", "/admin/canned?q=x&scope=team", "/console#chat"])
def test_a_path_of_ours_is_gone_back_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil", "/a\r\nSet-Cookie: x=1", "/\t/evil",
     "admin", "/a\\b", "javascript:alert(1)", "/" + "a" * 3000],
)  # fmt: skip
def test_anything_else_leads_home(path: str) -> None:
    assert local_path(path, "/console") == "/console"
