"""JSON from outside, read by the strict rules before any schema sees it. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from app.errors import Invalid
from app.protocol.reading import check_shape


def check_json(body: bytes) -> None:
    """Refuse a body that is not plain JSON, or that says something which cannot be stored.

    Raises:
        Invalid: `bad_json` (not UTF-8, not JSON, NaN, a key twice), `too_complex` (deeper than 16, over 200
            keys), `bad_text` (U+0000 or a lone surrogate), `invalid` (a number that is too large).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8.", code="bad_json") from None
    check_shape(text)
    try:
        data: Any = json.loads(
            text, object_pairs_hook=_no_repeats, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
        )
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON.", code="bad_json") from None
    _check_text(data, "")


def _check_text(data: Any, where: str) -> None:
    if isinstance(data, str):
        if "\x00" in data or any("\ud800" <= character <= "\udfff" for character in data):
            raise Invalid("This holds a character that cannot be stored.", code="bad_text", field=where or None)
    elif isinstance(data, dict):
        for key, value in data.items():  # pyright: ignore[reportUnknownVariableType]
            _check_text(key, where)
            _check_text(value, f"{where}.{key}".lstrip("."))
    elif isinstance(data, list):
        for value in data:  # pyright: ignore[reportUnknownVariableType]
            _check_text(value, where)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise Invalid("A key stands twice.", code="bad_json")
    return data


def _no_constant(name: str) -> NoReturn:
    raise Invalid(f"{name} is not JSON.", code="bad_json")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Invalid("A number is too large.")
    return number


def _whole(text: str) -> int:
    # What does not fit into 64 bits fits into no column of ours either.
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise Invalid("A number is too large.")
    return int(text)
