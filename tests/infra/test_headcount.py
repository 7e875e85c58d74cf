"""How many are here from one address, and what one address is."""

import pytest

from app.infra.headcount import Headcount, Proxies, is_forwarded, network_of


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
        ("x" * 30_000, "x" * 64),
    ],
)
def test_an_address_is_a_host_or_of_ipv6_a_household(address: str, counts_as: str) -> None:
    assert network_of(address) == counts_as


def test_so_many_enter_and_who_leaves_makes_room() -> None:
    count = Headcount(2, Proxies("127.0.0.1"))
    vera, vic = count.name("203.0.113.7"), count.name("203.0.113.8")
    assert [count.enter(vera) for _ in range(3)] == [True, True, False]
    assert count.enter(vic)
    count.leave(vera)
    assert [count.enter(vera), count.enter(vera)] == [True, False]


def test_a_proxy_is_not_counted_but_whom_it_names_is() -> None:
    count = Headcount(1, Proxies("127.0.0.1, 10.0.0.0/8, a name, ::1"))
    for proxy in ("127.0.0.1", "10.9.8.7", "::1", ""):
        assert count.name(proxy) is None
        assert [count.enter(count.name(proxy)) for _ in range(3)] == [True] * 3
    assert count.name("127.0.0.1", forwarded=True) == "127.0.0.1"
    assert count.name("192.0.2.1") == "192.0.2.1"
    everybody = Headcount(1, Proxies("*"))
    assert everybody.name("192.0.2.1") is None
    assert everybody.name("192.0.2.1", forwarded=True) == "192.0.2.1"


def test_a_request_says_whether_it_was_sent_on() -> None:
    assert is_forwarded([(b"host", b"shop"), (b"x-forwarded-for", b"203.0.113.7")])
    assert not is_forwarded([(b"host", b"shop")])
