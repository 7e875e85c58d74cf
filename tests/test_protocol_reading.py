"""From a client's line to a command, or to the one code that says what is wrong with it."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import frames
from app.protocol.codes import MAX_DEPTH, MAX_KEYS
from app.protocol.reading import Unreadable, read_command

C = "0198c0de-0000-7000-8000-000000000001"
M = "0198c0de-0000-7000-8000-000000000002"
SEND = f'{{"t":"send","id":41,"c":"{C}","m":"{M}","body":{{"text":"hi"}}}}'
SYNC = f'{{"t":"sync","id":41,"c":"{C}","lane":"public","after":3,"limit":50}}'
HELLO = f'{{"t":"hello","id":41,"token":"x","pos":{{"{C}":{{"public":1}}}}}}'
RATE = f'{{"t":"rate","id":41,"c":"{C}","score":5}}'
TYPING = f'{{"t":"typing","id":41,"c":"{C}","on":true}}'

storable = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | storable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable, inner, max_size=4),
    max_leaves=12,
)


def refused(line: str) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_command(line)
    return caught.value


@given(storable, st.booleans())
def test_a_message_is_read_whatever_its_words(words: str, escaped: bool) -> None:
    frame = {"t": "send", "id": 41, "c": C, "m": M, "body": {"text": words}}
    command = read_command(json.dumps(frame, ensure_ascii=escaped))
    assert isinstance(command, frames.Send)
    assert (command.id, command.c, command.m) == (41, UUID(C), UUID(M))
    assert command.body.text == words


@given(st.text(max_size=80))
def test_no_line_is_anything_but_read_or_refused(line: str) -> None:
    refused(line)


@given(json_values, st.sampled_from(["t", "id", "c", "m", "body", "new"]))
def test_no_value_in_a_known_frame_is_anything_but_read_or_refused(value: Any, field: str) -> None:
    frame: dict[str, Any] = {"t": "send", "id": 41, "c": C, "m": M, "body": {"text": "hi"}, field: value}
    line = json.dumps(frame)
    try:
        command = read_command(line)
    except Unreadable:
        assert refused(line).code in {"invalid", "unknown_type", "too_complex"}
    else:
        assert frame["t"] == command.__struct_config__.tag


@given(st.data())
def test_a_key_that_stands_twice_is_found_wherever_it_stands(data: st.DataObject) -> None:
    frame = {"t": "send", "id": 41, "c": C, "m": M, "body": {"text": data.draw(storable)}}
    pairs = [(key, json.dumps(value)) for key, value in frame.items()]
    again = data.draw(st.sampled_from(pairs))
    pairs.insert(data.draw(st.integers(0, len(pairs))), again)
    space = st.sampled_from(["", " ", "\t"])
    line = ",".join(f'{data.draw(space)}"{key}"{data.draw(space)}:{data.draw(space)}{value}' for key, value in pairs)
    assert refused("{" + line + "}").code == "bad_json"


def test_a_key_that_stands_twice_deep_inside_is_found() -> None:
    assert refused(SEND.replace('{"text":"hi"}', '{"text":"hi","text" :"ho"}')).code == "bad_json"


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "{",
        "hello",
        "'{}'",
        '{"t":"pong"} {"t":"pong"}',
        '{"t":"pong",}',
        TYPING.replace("true", "NaN"),
        TYPING.replace("true", "-Infinity"),
        TYPING.replace("true", "True"),
        TYPING.replace("41", "041"),
        TYPING.replace('"on"', "on"),
        "\ufeff" + TYPING,
    ],
)
def test_what_is_not_json_is_bad_json(line: str) -> None:
    error = refused(line)
    assert (error.code, error.malformed, error.command_id) == ("bad_json", True, None)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("times", [MAX_DEPTH + 1, 100_000])
def test_what_is_nested_too_deeply_is_refused_before_any_parser_goes_down(opening: str, times: int) -> None:
    error = refused(opening * times)
    assert (error.code, error.malformed) == ("too_complex", True)


def test_what_is_nested_just_deeply_enough_is_judged_by_its_shape() -> None:
    inner = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert refused(TYPING.replace("true", inner)).code == "invalid"


def test_too_many_keys_are_too_complex_and_enough_are_not() -> None:
    def line(keys: int) -> str:
        return json.dumps({f"key {number}": number for number in range(keys)})

    assert refused(line(MAX_KEYS + 1)).code == "too_complex"
    assert refused(line(MAX_KEYS)).code == "invalid"


def test_brackets_and_colons_inside_a_text_are_just_text() -> None:
    words = '[{:"' * 300
    command = read_command(json.dumps({"t": "send", "id": 41, "c": C, "m": M, "body": {"text": words}}))
    assert isinstance(command, frames.Send)
    assert command.body.text == words


@pytest.mark.parametrize("escape", [r"\ud800", r"\udfff", r"\udc00\ud800"])
def test_half_of_a_surrogate_pair_is_bad_text_and_a_whole_one_is_not(escape: str) -> None:
    error = refused(SEND.replace("hi", escape))
    assert (error.code, error.command_id, error.malformed) == ("bad_text", 41, False)
    command = read_command(SEND.replace("hi", r"\ud83d\ude00"))
    assert isinstance(command, frames.Send)
    assert command.body.text == "\U0001f600"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (SEND.replace("41", '"41"'), "id"),
        (SEND.replace("41", "0"), "id"),
        (SEND.replace("41", "true"), "id"),
        (SEND.replace("41", "1e999"), "id"),
        (SEND.replace("41", str(2**53 + 1)), "id"),
        (SEND.replace(C, "not an id"), "c"),
        (SEND.replace('"hi"', "null"), "body.text"),
        (SEND.replace('{"text":"hi"}', "[]"), "body"),
        (SEND.replace('{"text":"hi"}', "{}"), "body"),
        (SEND.replace('"id"', '"new":1,"id"'), None),
        (TYPING.replace("true", "1"), "on"),
        (TYPING.replace(',"on":true', ""), None),
        (SYNC.replace("public", "private"), "lane"),
        (SYNC.replace("50", "201"), "limit"),
        (SYNC.replace(":3,", ":-1,"), "after"),
        (RATE.replace(":5}", ":6}"), "score"),
        (RATE.replace(":5}", ":4.5}"), "score"),
        (HELLO.replace("public", "private"), "pos"),
        ("[]", None),
        ("7", None),
        ('"hello"', None),
        ("{}", None),
        ('{"t":7}', None),
    ],
)
def test_what_has_the_wrong_shape_is_invalid_and_says_where(line: str, field: str | None) -> None:
    error = refused(line)
    assert (error.code, error.malformed) == ("invalid", False)
    if field is not None:
        assert error.field is not None
        assert error.field.split("[")[0].startswith(field)


@pytest.mark.parametrize(
    "line", [SEND.replace("hi", "\U0001f600 \u202eabc e\u0301"), TYPING, SYNC, RATE, HELLO, '{"t":"pong"}']
)
def test_what_is_right_is_read(line: str) -> None:
    read_command(line)


def test_an_unknown_command_is_told_apart_and_keeps_its_number() -> None:
    error = refused('{"t":"dance","id":41}')
    assert (error.code, error.command_id, error.malformed) == ("unknown_type", 41, False)
    assert refused('{"t":"ok","id":41}').code == "unknown_type", "a server's frame is no command"
