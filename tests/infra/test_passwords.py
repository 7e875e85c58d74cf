"""Passwords: what is stored, and that an account that isn't there costs as much as one that is."""

import pytest
from argon2 import extract_parameters

from app.infra import passwords
from app.infra.passwords import hash_password, password_fits


async def test_a_password_fits_its_own_hash_alone() -> None:
    stored = await hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert await password_fits("correct horse", stored)
    assert not await password_fits("correct horse ", stored)


async def test_an_account_that_is_not_there_costs_one_verification_of_the_same_strength(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = await hash_password("correct horse")
    verified: list[str] = []
    verify = passwords._HASHER.verify

    def counted(password: str | bytes, stored: str | bytes) -> bool:
        verified.append(str(stored))
        return verify(password, stored)

    monkeypatch.setattr(passwords._HASHER, "verify", counted)
    assert not await password_fits("wrong", stored)
    assert not await password_fits("wrong", None)
    known, unknown = verified
    assert known == stored
    assert extract_parameters(unknown) == extract_parameters(known)
