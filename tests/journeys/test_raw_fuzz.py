"""Bytes that no proper client sends, over a real socket: no 500, no fault in the log, and nobody else notices.

Each case is made from its own seed. A failure names it; `DESKBELL_FUZZ=<seed>:<case>` runs that one alone, and
`DESKBELL_FUZZ=<seed>` all cases of another seed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from app.protocol.codes import ERRORS, Close
from tests.journeys.stage import Stage
from tests.journeys.test_wire_errors import AGENTS_COMMANDS, EVERYONES_COMMANDS, VISITORS_COMMANDS
from tests.journeys.wire_client import Frame, WireClient

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("innocents")]

SEED, _, ONLY = os.environ.get("DESKBELL_FUZZ", "1").partition(":")
CASES = 120
"""Of requests and of frames; of sessions with commands a third."""
AT_ONCE = 12
PATIENCE_S = 60
CODES = {code.value for code in Close} | {1000, 1005}
RUBBISH = bytes(range(256))


def cases(count: int) -> list[random.Random]:
    numbers = [int(ONLY)] if ONLY else range(count)
    chances = []
    for number in numbers:
        chance = random.Random(f"{SEED}:{number}")
        chance.name = f"DESKBELL_FUZZ={SEED}:{number}"  # type: ignore[attr-defined]
        chances.append(chance)
    return chances


async def each(try_case: Callable[[random.Random], Awaitable[None]], count: int = CASES) -> None:
    """Run all cases, several at once. The first that fails says which it was."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(chance: random.Random) -> None:
        async with room:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await try_case(chance)
            except (AssertionError, TimeoutError, ValueError) as error:
                raise AssertionError(f"{chance.name}: {error!r}") from error  # type: ignore[attr-defined]

    await asyncio.gather(*(one(chance) for chance in cases(count)))


def upgrade(url: str) -> bytes:
    """A proper upgrade."""
    return (
        f"GET /ws HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nOrigin: {url}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: deskbell.v1\r\n\r\n"
    ).encode()


async def exchange(url: str, first: bytes, *later: bytes, early: bool = False) -> bytes:
    """Say this, the later things after an answer to the first unless they come early; return all that is heard."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    heard = b""
    try:
        writer.write(first)
        if later and not early:
            heard = await reader.readuntil(b"\r\n\r\n")
        for data in later:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        while data := await reader.read(65_536):
            heard += data
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort()
    return heard


# Requests and handshakes


def spoiled(chance: random.Random, data: bytes) -> bytes:
    """Change some bytes, or lines, of something proper."""
    lines = data.split(b"\r\n")
    match chance.randrange(9):
        case 0:
            changed = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            return bytes(changed)
        case 1:
            return data[: chance.randrange(len(data))]
        case 2:
            del lines[chance.randrange(len(lines) - 2)]
        case 3:
            lines.insert(chance.randint(1, len(lines) - 2), chance.choice(lines[1:-2]))
        case 4:
            lines.insert(1, b"X-" + bytes(chance.choices(RUBBISH, k=chance.randint(1, 200))))
        case 5:
            place = chance.randrange(1, len(lines) - 2)
            lines[place] = lines[place].partition(b":")[0] + b": " + bytes(chance.choices(RUBBISH, k=20))
        case 6:
            lines[1:1] = [
                b"X-%d: %s" % (n, b"y" * chance.choice((1, 100, 9_000))) for n in range(chance.randint(1, 150))
            ]
        case 7:
            rest = lines[0].partition(b" ")[2]
            lines[0] = chance.choice([b"POST", b"PUT", b"OPTIONS", b"\x00", b"get", b"CONNECT"]) + b" " + rest
        case _:
            target = chance.choice([b"/%00", b"//", b"*", b"http://x/ws", b"/ws?" + b"a" * 9_000, b"/\xff", b"/ws#x"])
            lines[0] = b"GET " + target + b" HTTP/1." + chance.choice([b"0", b"1", b"2"])
    return b"\r\n".join(lines)


def statuses(heard: bytes) -> list[int]:
    """The status of each answer in a stretch of bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", heard)]


async def test_spoiled_requests_and_handshakes(stage: Stage) -> None:
    url = stage.one.url
    body = b'{"site":"s_shop"}'
    post = (
        f"POST /api/widget/session HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nOrigin: {url}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body

    async def try_case(chance: random.Random) -> None:
        proper = chance.choice([upgrade(url), post, post.replace(b"Content-Length: 17", b"Transfer-Encoding: chunked")])
        heard = await exchange(url, spoiled(chance, proper))
        assert not [status for status in statuses(heard) if status in (500, 502)], heard

    await each(try_case)


# Frames


def a_frame(
    opcode: int, data: bytes, *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    head = bytes([(fin << 7) | (rsv << 4) | opcode])
    marked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([marked | len(data)])
    elif len(data) < 65_536:
        head += bytes([marked | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([marked | 127]) + struct.pack("!Q", len(data))
    if mask:
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    return head + (mask or b"") + data


def odd_frames(chance: random.Random, proper: bytes) -> bytes:
    """Frames that break a rule of RFC 6455, or keep all of them oddly."""
    rubbish = bytes(chance.choices(RUBBISH, k=chance.choice((0, 1, 2, 50, 125, 126, 5_000))))
    match chance.randrange(13):
        case 0:
            return a_frame(1, proper, mask=None)
        case 1:
            return a_frame(chance.choice((1, 2, 8, 9)), proper[:100], rsv=chance.randint(1, 7))
        case 2:
            return a_frame(chance.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), rubbish)
        case 3:
            return a_frame(chance.choice((8, 9, 10)), rubbish, fin=False)
        case 4:
            return a_frame(chance.choice((9, 10)), b"x" * 126)
        case 5:
            return a_frame(0, rubbish) + a_frame(1, proper)
        case 6:
            return a_frame(1, proper[:5], fin=False) + a_frame(1, proper)
        case 7:
            return b"\x81" + chance.choice([b"\xff" + b"\xff" * 8, b"\xfe\x00\x01", b"\xff" + bytes(8)]) + rubbish
        case 8:
            return a_frame(
                8, chance.choice([b"\x03", b"\x00\x00", struct.pack("!H", 1005), b"\x03\xe8\xff\xff", rubbish])
            )
        case 9:
            return a_frame(1, rubbish)
        case 10:
            return a_frame(1, proper)[: chance.randint(1, 20)]
        case 11:
            pieces = [proper[place : place + 1] for place in range(len(proper))]
            opcodes = [1] + [0] * (len(pieces) - 1)
            return b"".join(
                a_frame(opcode, piece, fin=place == len(pieces) - 1) + a_frame(9, b"between")
                for place, (opcode, piece) in enumerate(zip(opcodes, pieces, strict=True))
            )
        case _:
            return b"".join(a_frame(chance.choice((9, 10)), rubbish[:125]) for _ in range(chance.randint(1, 300)))


def frames_in(heard: bytes) -> list[tuple[int, bytes]]:
    """The server's frames behind its handshake: opcode and data."""
    data = heard.partition(b"\r\n\r\n")[2]
    found = []
    while len(data) >= 2:
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = struct.unpack("!H", data[2:4])[0], 4
        elif length == 127:
            length, start = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < start + length:
            break
        found.append((data[0] & 15, data[start : start + length]))
        data = data[start + length :]
    return found


async def test_spoiled_frames(stage: Stage) -> None:
    shop = await stage.shop()
    url = stage.one.url
    visitors = [await stage.visitor(shop) for _ in range(AT_ONCE)]

    async def try_case(chance: random.Random) -> None:
        said: list[bytes] = []
        if chance.random() < 0.5:
            hello = {"t": "hello", "id": 1, "token": chance.choice(visitors).token}
            said.append(a_frame(1, json.dumps(hello).encode()))
        proper = json.dumps({"t": "page", "id": 2, "url": "https://shop.example/", "title": "Shop"}).encode()
        said += [odd_frames(chance, proper) for _ in range(chance.randint(1, 4))]
        # In the end a goodbye, for a server that is still there; the middle of a frame swallows it.
        early = chance.random() < 0.2
        heard = await exchange(url, upgrade(url), *said, a_frame(8, b"\x03\xe8"), early=early)
        # Wrong frames before the handshake is answered are answered with nothing at all.
        assert statuses(heard)[:1] in ([[101], []] if early else [[101]])
        for opcode, data in frames_in(heard):
            assert opcode in (1, 8, 9, 10), heard
            if opcode == 8 and len(data) >= 2:
                code = struct.unpack("!H", data[:2])[0]
                assert code in CODES or 3000 <= code < 5000, "one of ours, or an echo of what the client chose"
            if opcode == 1:
                assert json.loads(data).get("code") != "internal", data

    await each(try_case)


# Commands


def odd_command(chance: random.Random, text: str) -> str:
    """A command with some of its characters or words exchanged."""
    words = [
        "null",
        "-1",
        "1e999",
        "[]",
        "{}",
        '""',
        '"\\ud800"',
        "\\u0000",
        "NaN",
        "true",
        "9" * 30,
        "[" * 50,
        ",",
        '"',
        "\n",
    ]
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(text) + 1)
        end = min(len(text), place + chance.choice((0, 1, 5, 20)))
        text = text[:place] + chance.choice([*words, chr(chance.randrange(1, 0xD7FF)), ""]) + text[end:]
    return text


ALL_COMMANDS = VISITORS_COMMANDS + EVERYONES_COMMANDS + AGENTS_COMMANDS


async def test_spoiled_commands(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=30))
    people = [await stage.visitor(shop) for _ in range(AT_ONCE)]
    chats = [(await stage.chat(vera, ana))[0] for vera in people]
    turn = iter(range(10**9))

    async def try_case(chance: random.Random) -> None:
        place = next(turn) % AT_ONCE
        client = await stage.again(people[place], shop)
        try:
            commands = [make(chats[place]) for make in ALL_COMMANDS if make(chats[place])["t"] not in ("end", "leave")]
            for _ in range(10):
                if client.close_code is not None:
                    break
                frame = odd_command(chance, json.dumps({**chance.choice(commands), "id": 7}))
                seen = len(client.log)
                with suppress(ConnectionClosed):
                    await client.raw(frame)
                await answered(client, seen)
        finally:
            await client.close()
            stage.people.remove(client)

    await each(try_case, CASES // 3)
    for vera, c in zip(people, chats, strict=True):
        lane = await vera.sync_all(c)
        assert [event["s"] for event in lane] == list(range(1, len(lane) + 1))


async def answered(client: WireClient, seen: int) -> None:
    """Wait for an answer with a code of the list, or for an end with one."""

    def is_answer(frame: Frame) -> bool:
        return frame["t"] in ("ok", "err")

    news = asyncio.ensure_future(client.until(is_answer, within_s=PATIENCE_S, after=seen))
    ended = asyncio.ensure_future(client.closed(PATIENCE_S))
    await asyncio.wait([news, ended], return_when=asyncio.FIRST_COMPLETED)
    for task in (news, ended):
        if not task.done():
            task.cancel()
    await asyncio.gather(news, ended, return_exceptions=True)
    if not news.cancelled():
        answer = news.result()
        assert answer["t"] == "ok" or (answer["code"] in ERRORS and answer["code"] != "internal"), answer
    else:
        assert client.close_code in CODES, client.close_code
