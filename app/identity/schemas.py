"""What identity takes in over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class SignedUser(BaseModel):
    """A visitor's identity as a JWT that the site has signed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jwt: Annotated[str, Field(min_length=1, max_length=8192)]


class SealedUser(BaseModel):
    """A visitor's identity and the site's seal over it: see `app.identity.proof.sealed_text`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=255)]
    hmac: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(max_length=254)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None


class Nothing(BaseModel):
    """A body that holds nothing: `{}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ticket(BaseModel):
    """A single-use key to the socket."""

    ticket: str
    expires_at: int
