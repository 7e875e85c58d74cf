"""docs/protocol.md and the code say the same: errors, close codes, every frame and field, every number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from app.chat.lines import LANES
from app.gateway.welcome import NEWEST
from app.protocol import codes, frames
from app.protocol.codes import ERRORS, Close
from tests.journeys import test_http_errors as http_errors
from tests.journeys import test_queue_faults as queue_faults
from tests.journeys import test_wire_errors as wire_errors

APP = Path(__file__).parents[1] / "app"
PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
SERVERS = (
    frames.Ok,
    frames.Err,
    frames.Ev,
    frames.Eph,
    frames.Gap,
    frames.Queue,
    frames.Available,
    frames.Offer,
    frames.OfferGone,
    frames.HeadChanged,
    frames.Me,
    frames.Ping,
    frames.Reconnect,
)


def section(title: str) -> str:
    """Return what stands under a heading of the page, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a section's tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    heads = [place for place, line in enumerate(text.splitlines()) if line.startswith("|---")]
    return cells[1:] if len(heads) == 1 else cells


def frame_rows(title: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return each documented frame: type → (the frame's own keys, the row's cells)."""
    found = {}
    for cells in rows(section(title)):
        shown = re.match(r'`(\{"t":"([a-z_.]+)".*?\})`', cells[0])
        if shown:
            found[shown[2]] = (own_keys(shown[1]), cells)
    return found


def own_keys(shown: str) -> list[str]:
    """Return the keys at the first level of a frame as the page shows it."""
    keys, depth = [], 0
    for mark in re.finditer(r'"[^"]*"(:)?|[{}\[\]]', shown):
        if mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
        elif mark[1] and depth == 1:
            keys.append(mark[0].split('"')[1])
    return keys


def fields(kind: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def tag(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


def test_the_table_of_errors_is_the_closed_list() -> None:
    table = {
        code.strip("`"): None if status == "–" else int(status)
        for code, status, *_ in rows(section("Errors: one closed list"))
    }
    assert table == ERRORS


def test_the_table_of_close_codes_is_the_enumeration() -> None:
    table: dict[int, str] = {}
    for what, *_ in rows(section("Reconnecting")):
        name = re.search(r"`(\w+)`", what)
        for number in re.findall(r"\d{4}", what):
            table[int(number)] = name[1] if name else ""
    assert set(table) == {code.value for code in Close}
    assert {number: name for number, name in table.items() if name} == {
        code.value: code.name.lower() for code in Close if code >= 4000
    }


def test_close_codes_say_by_their_number_whether_to_come_back() -> None:
    for what, _, back in rows(section("Reconnecting")):
        number = int(what.split()[0])
        assert back.startswith("yes") == (number < 4500), what


def test_every_command_is_documented_and_no_other() -> None:
    documented = frame_rows("Client → server")
    kinds = {tag(kind): kind for kind in get_args(frames.AnyCommand)}
    assert set(documented) == set(kinds)
    for name, kind in kinds.items():
        keys, cells = documented[name]
        assert set(keys) - {"t"} <= fields(kind), name
        for field in fields(kind):
            assert f'"{field}"' in cells[0] + cells[2] or f"`{field}`" in cells[2], f"{name}.{field}"


def test_the_page_says_who_may_use_which_command() -> None:
    sides = {"all": frames.EveryoneCommand, "visitor": frames.VisitorCommand, "agent": frames.AgentCommand}
    documented = {name: cells[1] for name, (_, cells) in frame_rows("Client → server").items()}
    assert documented == {tag(kind): side for side, kinds in sides.items() for kind in get_args(kinds)}


def test_every_frame_of_the_server_is_documented_and_no_other() -> None:
    documented = frame_rows("Server → client")
    kinds = {tag(kind): kind for kind in SERVERS}
    assert set(documented) == {*kinds, "snapshot"}
    for name, kind in kinds.items():
        if name == "ok":
            continue
        assert set(documented[name][0]) == {"t", *fields(kind)}, name


def test_whatever_an_ok_may_carry_is_said_somewhere() -> None:
    said = section("Client → server") + section("Server → client")
    for field in fields(frames.Ok):
        assert f"`{field}`" in said or f'"{field}"' in said, field


@pytest.mark.parametrize(("kind", "field"), [(frames.Eph, "kind"), (frames.OfferGone, "reason")])
def test_every_word_of_a_closed_choice_is_documented(kind: Any, field: str) -> None:
    choice = next(each for each in msgspec.structs.fields(kind) if each.name == field)
    for word in get_args(choice.type):
        assert f"`{word}`" in PAGE, word


def test_every_kind_of_event_is_documented_with_its_lane() -> None:
    written = {("public", "message"), ("internal", "note")}
    for file in APP.rglob("*.py"):
        for lane, kind in re.findall(
            r'lines\.append\([^"]*lines\.([A-Z]+),\s*"(\w+)"', file.read_text(encoding="utf-8")
        ):
            written.add((lane.lower(), kind))
    assert len(written) > 8
    assert {(lane, kind.strip("`")) for lane, kind, _ in rows(section("Kinds of events"))} == written


def test_the_numbers_of_the_page_are_the_numbers_of_the_code() -> None:
    for said in (
        f"subprotocol | `{codes.SUBPROTOCOL}`",
        f"largest client frame | {codes.MAX_FRAME_BYTES // 1024} KiB",
        f"a message text has at most {codes.MAX_TEXT:,} code points",
        f"`hello`, within {codes.HELLO_WITHIN_S:.0f} s",
        f"≤ {codes.MAX_COMMENT:,} code points",
        f"At most {codes.MAX_IN_FLIGHT} unacknowledged",
        f"more than {codes.MAX_REPLAY} events were missed",
        f"`limit` ≤ {codes.MAX_PAGE}",
        f"the newest {NEWEST} public events follow",
        f"Every {codes.PING_EVERY_S:.0f} s ± 10 %",
        f"without an open conversation every {codes.IDLE_PING_EVERY_S:.0f} s",
        f"{codes.PONG_WITHIN_S:.0f} s without any frame",
        f"{codes.SPREAD_MS_PER_SOCKET} ms for each socket, at most {codes.LONGEST_SPREAD_MS / 1000:.0f} s",
        f"over {codes.OUTBOX_BYTES // 1024} KiB were waiting",
        f"deeper than {codes.MAX_DEPTH}, over {codes.MAX_KEYS} keys",
    ):
        assert said in PAGE, said
    assert codes.MALFORMED_BEFORE_CLOSE == 10, "the page says: the tenth"


def test_the_lanes_of_the_page_are_the_lanes_of_the_code() -> None:
    table = {cells[0] for cells in rows(section("Kinds of events"))}
    assert table == set(LANES)


def test_every_code_of_the_list_is_reached_by_a_test() -> None:
    reached = {*wire_errors.REFUSED, *wire_errors.ROADS, *http_errors.STATUS, *queue_faults.REACHED}
    assert reached == set(ERRORS)
    assert {code: ERRORS[code] for code in http_errors.STATUS} == http_errors.STATUS
