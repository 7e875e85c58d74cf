"""What text from outside must be like before anything is done with it. Pure; raises `Invalid`."""

from __future__ import annotations

import re

from app.errors import Invalid

# C0 but tab and newline, DEL, C1, and lone surrogates. Postgres refuses U+0000 and surrogates.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAK = re.compile("[\t\n\u2028\u2029]")


def clean_text(text: str, *, field: str | None = None, most: int = 5000, need: bool = True) -> str:
    """Return a text of several lines with plain newlines and no white space at its ends.

    Args:
        text: as it came.
        field: its name, for the error.
        most: the largest number of code points.
        need: whether an empty text is an error.

    Raises:
        Invalid: `bad_text` (U+0000, lone surrogate, control character), `empty`, `too_large`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _FORBIDDEN.search(text):
        raise Invalid("This holds a character that cannot be stored.", code="bad_text", field=field)
    text = text.strip()
    if need and not text:
        raise Invalid("Write something here.", code="empty", field=field)
    if len(text) > most:
        raise Invalid(f"At most {most:,} characters, please.", code="too_large", field=field)
    return text


def clean_line(text: str, *, field: str | None = None, most: int = 200, need: bool = True) -> str:
    """Like `clean_text`, for one line: tabs and newlines are refused too.

    Raises:
        Invalid: `bad_text`, `empty`, `too_large`.
    """
    text = clean_text(text, field=field, most=most, need=need)
    if _BREAK.search(text):
        raise Invalid("This must be one line.", code="bad_text", field=field)
    return text
