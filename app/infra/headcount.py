"""How many are here at once from one address, counted for one process."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LONGEST_NAME = 64
"""Characters of something that is no address: a proxy may forward anything."""


class Proxies:
    """The proxies whose word about an address counts.

    Args:
        listed: addresses and networks, by commas; `*` is everybody. What is neither is nobody.
    """

    def __init__(self, listed: str) -> None:
        parts = [part.strip() for part in listed.split(",") if part.strip()]
        self._all = "*" in parts
        self._networks = [network for part in parts if (network := _network(part)) is not None]

    def __contains__(self, address: str) -> bool:
        if self._all:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


class Headcount:
    """Counts those who are here, by address.

    A proxy itself is not counted: behind it are many, and if it does not say who, one must not lock the others out.

    Args:
        most: of one address.
        proxies: whose word counts.
    """

    def __init__(self, most: int, proxies: Proxies) -> None:
        self._most = most
        self._proxies = proxies
        self._here: dict[str, int] = {}

    def name(self, address: str, *, forwarded: bool = False) -> str | None:
        """Return under which name an address is counted; None for one that is not.

        Args:
            address: of the other end; empty for a unix socket, which is a proxy's.
            forwarded: whether a proxy named it.
        """
        if not address or (not forwarded and address in self._proxies):
            return None
        return network_of(address)

    def enter(self, name: str | None) -> bool:
        """Count one more. Returns False, and counts nothing, when there are too many."""
        if name is None:
            return True
        here = self._here.get(name, 0)
        if here >= self._most:
            return False
        self._here[name] = here + 1
        return True

    def leave(self, name: str | None) -> None:
        """One of those who entered has gone."""
        if name is None:
            return
        here = self._here[name] - 1
        if here:
            self._here[name] = here
        else:
            del self._here[name]


def is_forwarded(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a request says for whom it was sent on."""
    return any(name == b"x-forwarded-for" for name, _ in headers)


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, which is what one household gets."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:LONGEST_NAME]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)


def _network(part: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(part, strict=False)
    except ValueError:
        return None
