"""A socket's outbox: what a reader who has stopped may cost."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from app.gateway.connection import MOST_LATE, Connection
from app.gateway.throttle import Bucket
from app.protocol.codes import OUTBOX_BYTES, Close

FRAME = b'{"t":"eph"}' * 100


async def never(_: MutableMapping[str, Any]) -> None:
    """A send whose reader has stopped."""
    await asyncio.Event().wait()


def a_connection() -> Connection:
    return Connection(never, Bucket(1, 1), Bucket(1, 1))


async def test_who_does_not_read_holds_so_much_and_is_closed() -> None:
    connection = a_connection()
    pushed = 0
    while connection.open:
        connection.push(FRAME)
        pushed += len(FRAME)
        await asyncio.sleep(0)
    assert connection.close_code == Close.SLOW
    assert OUTBOX_BYTES < pushed <= OUTBOX_BYTES + 2 * len(FRAME)
    for _ in range(1_000):
        connection.push(FRAME)
    assert connection._size <= OUTBOX_BYTES + 2 * len(FRAME), "what comes later is not kept"
    connection.gone()


async def test_what_is_passing_is_left_out_before_it_comes_to_that() -> None:
    connection = a_connection()
    for _ in range(10_000):
        connection.push_ephemeral(FRAME)
    assert connection.open
    assert connection._size <= OUTBOX_BYTES // 2 + len(FRAME)
    connection.gone()


async def test_what_is_kept_back_for_a_snapshot_has_an_end_too() -> None:
    connection = a_connection()
    connection.hold()
    for _ in range(MOST_LATE):
        connection.push(FRAME)
    assert connection.open
    connection.push(FRAME)
    assert connection.close_code == Close.SLOW
