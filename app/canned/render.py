"""The filling of variables in a canned reply: one pass over a closed list of names. Pure.

`{{visitor.name|there}}` is the visitor's name, or "there" when it is not known. `web/shared/canned.js` is its
twin in JavaScript; both are held to tests/golden/canned.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.errors import Invalid

VARIABLES = ("visitor.name", "agent.name", "site.name", "conversation.id")

_PLACE = re.compile(r"\{\{[ \t]*([^{}|]*?)[ \t]*(?:\|([^{}]*))?\}\}")
_BLANK = " \t\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A filled reply.

    Attributes:
        text: the reply; a variable with neither value nor fallback still stands in it as it was written.
        unfilled: the names of those variables, each once, in the order they appear.
    """

    text: str
    unfilled: list[str]


def render(body: str, values: Mapping[str, str | None]) -> Rendered:
    """Fill a body's variables. A value is text, whatever it looks like: it is never filled again.

    Args:
        body: the reply as stored.
        values: value by variable name; None and blank count as not known.
    """
    unfilled: dict[str, None] = {}

    def fill(place: re.Match[str]) -> str:
        name, fallback = place.group(1), place.group(2)
        value = (values.get(name) or "").strip(_BLANK) if name in VARIABLES else ""
        if value:
            return value
        if fallback is not None and name in VARIABLES:
            return fallback.strip(_BLANK)
        unfilled[name] = None
        return place.group()

    text = _PLACE.sub(fill, body)
    return Rendered(text, list(unfilled))


def names_in(body: str) -> Iterator[str]:
    """Yield the name of each variable in a body, known or not, in order."""
    return (place.group(1) for place in _PLACE.finditer(body))


def check(body: str) -> None:
    """Refuse a body that could never be filled.

    Raises:
        Invalid: a variable that does not exist, or braces that do not pair; `field` is `body`.
    """
    known = ", ".join(f"{{{{{name}}}}}" for name in VARIABLES)
    for name in names_in(body):
        if name not in VARIABLES:
            raise Invalid(f"There is no variable “{name[:60]}”. Known ones: {known}.", field="body")
    rest = _PLACE.sub("", body)
    if "{{" in rest or "}}" in rest:
        raise Invalid("A {{ or }} stands alone. Write a variable like {{visitor.name|there}}.", field="body")
