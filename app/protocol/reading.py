"""From bytes to commands: strict, cheap when all is well, exact about what is wrong when it is not."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, get_args

import msgspec

from app.errors import Invalid
from app.protocol import frames
from app.protocol.codes import MAX_DEPTH, MAX_KEYS, MAX_MARKS

_DECODER = msgspec.json.Decoder(frames.AnyCommand)
PONG = '{"t":"pong"}'
"""As our clients write it."""
_TYPES = {struct.__struct_config__.tag for struct in get_args(frames.AnyCommand)}
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]|:')
_FIELD = re.compile(r"\$\.([A-Za-z_.]+)")


class Unreadable(Invalid):
    """A frame that could not be read.

    Attributes:
        command_id: the `id` it carried, if that much could be read.
        malformed: whether it counts towards the tenth that closes the socket.
    """

    def __init__(self, message: str, code: str, *, command_id: int | None = None, field: str | None = None) -> None:
        super().__init__(message, code=code, field=field)
        self.command_id = command_id
        self.malformed = code in {"bad_json", "too_complex"}


def read_command(line: str) -> frames.AnyCommand:
    """Read one line of a client's frame.

    Args:
        line: one JSON object.

    Raises:
        Unreadable: `bad_json`, `too_complex`, `bad_text`, `unknown_type` or `invalid`.
    """
    try:
        command = _DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        _explain(line, error)
    # msgspec lets a repeated key win silently, so a frame is read again by the strict rules, but for the common one:
    # a message needs six keys and four texts. Twenty quotation marks leave no room for a seventh key.
    if not (type(command) is frames.Send and line.count('"') == 20):
        _parse(line)
    return command


def _explain(line: str, error: Exception) -> NoReturn:
    """Say which code fits a line that msgspec refused."""
    data = _parse(line)
    if not isinstance(data, dict):
        raise Unreadable("A frame is a JSON object.", "invalid")
    command_id, kind = _id_in(data), _member(data, "t")
    if isinstance(kind, str) and kind not in _TYPES:
        raise Unreadable("There is no such command.", "unknown_type", command_id=command_id)
    match = _FIELD.search(str(error))
    raise Unreadable(
        str(error) if isinstance(error, msgspec.ValidationError) else "That frame has the wrong shape.",
        "invalid",
        command_id=command_id,
        field=match.group(1) if match else None,
    )


def _id_in(data: Any) -> int | None:
    """Return a frame's `id` if it has a usable one."""
    found = _member(data, "id")
    return found if type(found) is int and 0 < found <= 2**53 else None


def _member(data: Any, key: str) -> object:
    return data.get(key) if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _parse(line: str) -> Any:
    """Parse a line by the strict rules.

    Raises:
        Unreadable: `bad_json`, `too_complex` or `bad_text`.
    """
    check_shape(line)
    try:
        data = json.loads(line, object_pairs_hook=_no_repeats, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("That is not JSON.", "bad_json") from error
    if _has_surrogate(data):
        raise Unreadable(
            "That text holds characters that cannot be stored.",
            "bad_text",
            command_id=_id_in(data),
        )
    return data


def check_shape(text: str) -> None:
    """Refuse JSON that is too deep or has too many keys, before any parser recurses into it.

    Raises:
        Unreadable: `too_complex`.
    """
    depth = keys = 0
    for marks, match in enumerate(_STRUCTURE.finditer(text)):
        mark = match.group()
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif mark == ":":
            keys += 1
        if depth > MAX_DEPTH or keys > MAX_KEYS or marks > MAX_MARKS:
            raise Unreadable("That is nested too deeply or has too many keys.", "too_complex")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise Unreadable("A key stands twice.", "bad_json")
    return data


def _no_constants(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON.", "bad_json")


def _has_surrogate(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
