"""What a person typed into a field of a form, made fit to store. Pure."""

from __future__ import annotations

import re

from app.errors import Invalid
from app.protocol.text import checked_text

_BREAK = re.compile("[\t\n\u2028\u2029]")


def clean_text(text: str, *, field: str, most: int = 5000, need: bool = True) -> str:
    """Return a text of several lines with plain newlines and no white space at its ends.

    Args:
        text: as it came.
        field: its name, for the error.
        most: the largest number of code points.
        need: whether an empty text is an error.

    Raises:
        Invalid: `bad_text` (U+0000, lone surrogate, control character), `empty`, `too_large`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return checked_text(text, field, most) if text or need else ""


def clean_line(text: str, *, field: str, most: int = 200, need: bool = True) -> str:
    """Like `clean_text`, for one line: tabs and line breaks are refused too.

    Raises:
        Invalid: `bad_text`, `empty`, `too_large`.
    """
    text = clean_text(text, field=field, most=most, need=need)
    if _BREAK.search(text):
        raise Invalid("This must be one line.", code="bad_text", field=field)
    return text
