"""The one tree of errors that Deskbell raises on purpose.

    DeskbellError
    ├── Invalid        the input is wrong (bad_json, invalid, bad_text, empty, too_large …)
    ├── Unauthorized   no valid credential
    ├── Forbidden      signed in, but not allowed
    ├── NotFound       no such thing, or not yours to know of
    ├── Conflict       the state of the world forbids it (stale, at_capacity, conversation_closed …)
    ├── Limited        too fast
    └── Unavailable    something we depend on is down

Each carries a `code` from the closed list in docs/protocol.md. Status codes and frames are made of them
only by the two translators (HTTP and gateway).
"""

from __future__ import annotations


class DeskbellError(Exception):
    """An error with a stable code.

    Args:
        message: one sentence for the person who reads it.
        code: a code from the closed list; each class has a default.
        field: dotted path of the input that is wrong, if one is.
        retry_after_s: seconds after which a repeat may succeed.
    """

    code = "internal"
    retry = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.retry_after_s = retry_after_s


class Invalid(DeskbellError):
    """The input is wrong; the same input will fail again."""

    code = "invalid"


class Unauthorized(DeskbellError):
    """No valid credential. Always the same words, so that nothing can be learned from them."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("Sign in again.")


class Forbidden(DeskbellError):
    """Signed in, but this person may not do it."""

    code = "forbidden"


class NotFound(DeskbellError):
    """No such thing, or not yours to know of: the same words for both."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("Not found.")


class Conflict(DeskbellError):
    """The state of the world forbids it."""

    code = "conflict"


class Limited(DeskbellError):
    """Too fast."""

    code = "rate_limited"
    retry = True


class Unavailable(DeskbellError):
    """Something we depend on is down; nothing was done, a repeat is safe."""

    code = "unavailable"
    retry = True
