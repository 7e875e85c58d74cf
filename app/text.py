"""What text from outside must be like before anything is done with it. A leaf: pure, raises `Invalid`.

`checked_…` are for what programs send: they change as little as they can. `clean_…` are for what people type into
forms: they mend line breaks and white space first.
"""

from __future__ import annotations

import re

from app.errors import Invalid

# C0 but tab and newline, DEL, C1 and lone surrogates. Postgres refuses U+0000 and surrogates; the others have no
# business in a chat.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAK = re.compile("[\t\n\u2028\u2029]")
# Invisible or direction-changing characters that make one name look like another.
_DECEPTIVE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\t\n]")
_PHONE = re.compile(r"\+?[0-9 ()./-]{3,39}")
_ATOM = r"[^@\s<>\"(),:;\\\[\]\x00-\x1f\x7f]"
_EMAIL = re.compile(rf"{_ATOM}+@{_ATOM}+\.[^@\s.<>\"(),:;\\\[\]\x00-\x1f\x7f]+")


def checked_text(text: str, field: str, limit: int = 5000) -> str:
    """Return `text` unchanged if it may be stored.

    Args:
        text: what the person wrote.
        field: where it stood, for the error.
        limit: most code points.

    Raises:
        Invalid: `too_large`, `bad_text` or `empty`.
    """
    if len(text) > limit:
        raise Invalid(f"That is longer than {limit:,} characters.", code="too_large", field=field)
    if _FORBIDDEN.search(text):
        raise Invalid("That text holds characters that cannot be stored.", code="bad_text", field=field)
    if not text.strip():
        raise Invalid("There is nothing in it yet.", code="empty", field=field)
    return text


def checked_name(name: str | None, field: str = "name") -> str | None:
    """Return a name that is safe to show beside others, or None when nothing is left of it.

    Raises:
        Invalid: `bad_text` or `too_large`.
    """
    if name is None or not name.strip():
        return None
    checked_text(name, field, 200)
    return _DECEPTIVE.sub("", name).strip() or None


def checked_email(email: str | None, field: str = "email") -> str | None:
    """Return a plausible address, or None for none.

    Raises:
        Invalid: it is not one address of the form name@host.tld.
    """
    if email is None or not email.strip():
        return None
    email = email.strip()
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        raise Invalid("That does not look like an e-mail address.", field=field)
    return email


def checked_phone(phone: str | None, field: str = "phone") -> str | None:
    """Return a phone number as it was written, or None for none.

    Raises:
        Invalid: it has other characters than digits and what stands between them, or fewer than four digits.
    """
    if phone is None or not phone.strip():
        return None
    phone = phone.strip()
    if not _PHONE.fullmatch(phone) or sum(each.isdigit() for each in phone) < 4:
        raise Invalid("That does not look like a phone number.", field=field)
    return phone


def clean_text(text: str, *, field: str, most: int = 5000, need: bool = True) -> str:
    """Return a text of several lines with plain newlines and no white space at its ends.

    Args:
        text: as it came.
        field: its name, for the error.
        most: the largest number of code points.
        need: whether an empty text is an error.

    Raises:
        Invalid: `bad_text`, `empty`, `too_large`.
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
