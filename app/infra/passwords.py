"""Passwords: argon2id, computed in a pool of two threads.

One hash takes some 64 MiB and tens of milliseconds; the small pool keeps a crowd of sign-ins from taking the whole
machine away from the conversations.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import Unavailable

T = TypeVar("T")

_HASHER = PasswordHash((Argon2Hasher(),))
_POOL = ThreadPoolExecutor(2, thread_name_prefix="argon2")
_MOST_WAITING = 32


async def hash_password(password: str) -> str:
    """Return a password's hash, to be stored.

    Raises:
        Unavailable: too many are waiting already.
    """
    return await _in_pool(lambda: _HASHER.hash(password))


async def password_fits(password: str, stored: str | None) -> bool:
    """Tell whether a password is the one whose hash is stored.

    With None (there is no such account) the answer is no, after just as much work: the time it takes tells nothing.

    Raises:
        Unavailable: too many are waiting already.
    """
    if stored is None:
        await _in_pool(lambda: _HASHER.verify(password, _decoy()))
        return False
    return await _in_pool(lambda: _HASHER.verify(password, stored))


def readable_password() -> str:
    """Return a fresh password of 78 bits that can be read aloud: four groups of letters and digits."""
    # Without i, l, o, u, 0 and 1, which are mistaken for each other or make words.
    letters = "abcdefghjkmnpqrstvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


async def _in_pool(work: Callable[[], T]) -> T:
    if _POOL._work_queue.qsize() >= _MOST_WAITING:  # pyright: ignore[reportPrivateUsage]
        raise Unavailable("Too many people are signing in right now; try again.", retry_after_s=5)
    return await asyncio.get_running_loop().run_in_executor(_POOL, work)


@cache
def _decoy() -> str:
    return _HASHER.hash(secrets.token_hex())
