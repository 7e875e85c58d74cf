"""What may stand in a text that a person wrote."""

from __future__ import annotations

import re

from app.errors import Invalid
from app.protocol.codes import MAX_TEXT

# U+0000 and lone surrogates are refused by Postgres; other control characters have no business in a chat.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Invisible or direction-changing characters that make one name look like another.
_DECEPTIVE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\t\n]")


def checked_text(text: str, field: str, limit: int = MAX_TEXT) -> str:
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


_EMAIL = re.compile(r"[^@\s<>\"(),:;\\\[\]\x00-\x1f\x7f]+@[^@\s<>\"(),:;\\\[\]\x00-\x1f\x7f]+\.[^@\s.<>\"(),:;\\\[\]]+")


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
