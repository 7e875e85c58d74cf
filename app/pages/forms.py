"""HTML forms: what was posted, and what is wrong with it.

Nothing here decides what is right: that is the domain's. A field that cannot be read is an error beside that
field, never a fault.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, Request

from app.errors import DeskbellError, Invalid
from app.infra.work import Work

MOST_FIELDS = 2000


class Form:
    """The fields of one posted form; a name may stand several times.

    Args:
        fields: values by name.
    """

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a field as it was typed; empty when it is missing."""
        return self._fields.get(name, [""])[0]

    def texts(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self._fields.get(name, []))

    def flag(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return name in self._fields

    def number(self, name: str) -> int:
        """Return a whole number.

        Raises:
            Invalid: it is not one.
        """
        text = self.text(name).strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Invalid("A whole number, please.", field=name)
        return int(text)

    def number_or_none(self, name: str) -> int | None:
        """Return a whole number, or None when nothing was written.

        Raises:
            Invalid: it is not one.
        """
        return self.number(name) if self.text(name).strip() else None

    def id(self, name: str) -> UUID | None:
        """Return an id, or None when nothing was chosen.

        Raises:
            Invalid: it is not an id.
        """
        text = self.text(name).strip()
        return _id(text, name) if text else None

    def ids(self, name: str) -> list[UUID]:
        """Return every id of a field.

        Raises:
            Invalid: one of them is not an id.
        """
        return [_id(text, name) for text in self.texts(name)]


async def _posted(request: Request) -> Form:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Invalid("A form was expected.")
    try:
        fields = parse_qs(
            (await request.body()).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except (UnicodeDecodeError, ValueError):
        raise Invalid("The form could not be read.", code="bad_text") from None
    return Form(fields)


Posted = Annotated[Form, Depends(_posted)]
"""A route's posted form."""


@asynccontextmanager
async def attempt(work: Work) -> AsyncGenerator[None]:
    """Run a block that may be refused, so that after a refusal the same transaction can go on and show the form.

    Raises:
        DeskbellError: the block raised it; nothing that the block did remains.
    """
    before = len(work.facts)
    try:
        async with work.session.begin_nested():
            yield
    except DeskbellError:
        del work.facts[before:]
        raise


def _id(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("Choose one of the list.", field=name) from None
