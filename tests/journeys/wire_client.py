"""A client of the wire, written from docs/protocol.md alone. It imports nothing of the application.

It applies the receiver rule, keeps a log of all it saw, and asserts that the server keeps the page's promises.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as SocketFrame
from websockets.frames import Opcode

Frame = dict[str, Any]


def new_id() -> str:
    """A UUIDv7, as clients make for each message."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    return str(UUID(int=value & ~(3 << 62) | 2 << 62))


class Refused(Exception):
    """The server answered a command with `err`."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.code: str = frame["code"]
        self.retry: bool = frame.get("retry", False)
        self.frame = frame


class WireClient:
    """One socket, and what its owner knows over several of them.

    Args:
        url: of a server process, http://…
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: dict[tuple[str, str], list[Frame]] = defaultdict(list)
        self.log: list[Frame] = []
        self.snapshot: Frame = {}
        self.close_code: int | None = None
        self.token = ""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._news = asyncio.Event()
        self._number = 0
        self.auto_pong = True
        self.auto_accept = True

    # Connecting

    async def open(self, *, origin: str | None = None, subprotocol: str | None = "deskbell.v1") -> None:
        """Upgrade. The origin is the server's own unless another is given."""
        address = self.url.replace("http://", "ws://") + "/ws"
        self._socket = await connect(
            address,
            origin=origin if origin is not None else self.url,  # type: ignore[arg-type]
            subprotocols=[subprotocol] if subprotocol else None,  # type: ignore[list-item]
            compression=None,
            ping_interval=None,
            max_size=None,
            open_timeout=30,
        )
        self.close_code = None
        self._reader = asyncio.create_task(self._read(self._socket))

    async def hello(self, token: str, *, pos: Frame | None = None, caps: tuple[str, ...] = ()) -> Frame:
        """Sign in and wait for the snapshot."""
        seen = len(self.log)
        frame: Frame = {"t": "hello", "token": token}
        if caps:
            frame["caps"] = list(caps)
        if pos is not None:
            frame["pos"] = pos
        await self.command(frame)
        self.snapshot = await self.until(lambda f: f["t"] == "snapshot", after=seen)
        for offer in self.snapshot.get("offers", ()):
            self._confirm(offer)
        return self.snapshot

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    def cut(self) -> None:
        """Lose the connection without a word."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def closed(self, within_s: float = 25) -> int | None:
        """Wait until the server hangs up; return its close code."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), within_s)
        return self.close_code

    # Speaking

    def post(self, frame: Frame) -> asyncio.Future[Frame]:
        """Send a command; the future is its answer."""
        assert self._socket is not None
        if self.close_code is not None:
            raise ConnectionError(f"closed {self.close_code}")
        self._number += 1
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[self._number] = answer
        task = asyncio.ensure_future(self._socket.send(json.dumps({**frame, "id": self._number})))
        # The answer's future keeps it from the garbage collector; a lost connection shows in the answer.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        answer.add_done_callback(lambda _: task.done())
        return answer

    async def command(self, frame: Frame, within_s: float = 25) -> Frame:
        """Send a command and return its `ok`.

        Raises:
            Refused: it was an `err`.
        """
        answer = await asyncio.wait_for(self.post(frame), within_s)
        if answer["t"] == "err":
            raise Refused(answer)
        return answer

    async def raw(self, data: str | bytes) -> None:
        """Send whatever this is."""
        assert self._socket is not None
        await self._socket.send(data)

    async def raw_frame(self, opcode: Opcode, data: bytes) -> None:
        """Send a frame of any kind, even one that no proper client sends."""
        assert self._socket is not None
        frame = SocketFrame(opcode, data).serialize(mask=True)
        self._socket.transport.write(frame)

    async def say(self, c: str, text: str, m: str | None = None) -> Frame:
        """Send a message and return its `ok`."""
        return await self.command({"t": "send", "c": c, "m": m or new_id(), "body": {"text": text}})

    async def sync_all(self, c: str, lane: str = "public") -> list[Frame]:
        """Page through a whole lane from its start."""
        events: list[Frame] = []
        while True:
            page = await self.command({"t": "sync", "c": c, "lane": lane, "after": len(events)})
            events += page["events"]
            assert page["head"] >= len(events)
            if not page["more"]:
                return events

    # Hearing

    async def until(self, wanted: Callable[[Frame], bool], *, within_s: float = 25, after: int = 0) -> Frame:
        """Return the first frame (from place `after` of the log on) that is wanted."""
        deadline = time.monotonic() + within_s
        place = after
        while True:
            while place < len(self.log):
                if wanted(self.log[place]):
                    return self.log[place]
                place += 1
            self._news.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"it never came; the last frames were {self.log[-8:]}")
            # Not `wait_for`: up to Python 3.11 that forgets a cancellation which comes together with the news.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()

    async def event(self, kind: str, *, c: str | None = None, within_s: float = 25, after: int = 0) -> Frame:
        """Return the first `ev` of a kind."""
        return await self.until(
            lambda f: f["t"] == "ev" and f["kind"] == kind and c in (None, f["c"]),
            within_s=within_s,
            after=after,
        )

    async def head(self, c: str, state: str, *, within_s: float = 25, after: int = 0) -> Frame:
        """Return the first head of a conversation in a state."""
        frame = await self.until(
            lambda f: f["t"] == "head" and f["head"]["c"] == c and f["head"]["state"] == state,
            within_s=within_s,
            after=after,
        )
        return frame["head"]

    async def refused(self, frame: Frame, within_s: float = 25) -> Frame:
        """Send a command and return its `err`."""
        answer = await asyncio.wait_for(self.post(frame), within_s)
        assert answer["t"] == "err", f"{frame} was carried out: {answer}"
        return answer

    async def answer_to(self, line: str | bytes, within_s: float = 25) -> Frame:
        """Send whatever this is and return the next `ok` or `err`."""
        seen = len(self.log)
        await self.raw(line)
        return await self.until(lambda f: f["t"] in ("ok", "err"), within_s=within_s, after=seen)

    def texts(self, c: str, lane: str = "public") -> list[str]:
        """The words of a lane so far."""
        return [e["data"]["text"] for e in self.events[c, lane] if e["kind"] in ("message", "note")]

    def have(self, c: str, lane: str = "public") -> int:
        """The highest number applied in a lane."""
        events = self.events[c, lane]
        return events[-1]["s"] if events else 0

    def pos(self) -> Frame:
        """What a resume begins from."""
        places: Frame = {}
        for (c, lane), events in self.events.items():
            if events:
                places.setdefault(c, {})[lane] = events[-1]["s"]
        return places

    async def _read(self, socket: ClientConnection) -> None:
        broken: Exception | None = None
        try:
            async for message in socket:
                for line in str(message).split("\n"):
                    await self._take(json.loads(line))
        except ConnectionClosed:
            pass
        except AssertionError as error:  # A broken promise of the server, or a test's mistake: not a lost connection.
            broken = error
            raise
        finally:
            self.close_code = socket.close_code
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(broken or ConnectionError(f"closed {self.close_code}"))
                    answer.exception()
            self._answers.clear()

    async def _take(self, frame: Frame) -> None:
        self.log.append(frame)
        kind = frame["t"]
        if kind in ("ok", "err") and frame.get("id") in self._answers:
            answer = self._answers.pop(frame["id"])
            if not answer.done():
                answer.set_result(frame)
        elif kind == "ping" and self.auto_pong:
            await self.raw('{"t":"pong"}')
        elif kind == "ev":
            events = self.events[frame["c"], frame["lane"]]
            have = events[-1]["s"] if events else None
            # The receiver rule. A lane may begin anywhere; from then on the server owes every number.
            assert have is None or frame["s"] <= have + 1, f"a hole before {frame}, have {have}"
            if have is None or frame["s"] == have + 1:
                events.append(frame)
        elif kind == "gap":
            self.events[frame["c"], frame["lane"]].clear()
        elif kind == "offer":
            self._confirm(frame)
        self._news.set()

    def _confirm(self, offer: Frame) -> None:
        if offer["mode"] == "direct" and self.auto_accept:
            self.post({"t": "offer.accept", "c": offer["c"], "gen": offer["gen"]})


async def visitor_session(url: str, site: str, token: str | None = None, **more: Any) -> Frame:
    """POST /api/widget/session, as the widget's frame does."""
    body: Frame = {"site": site, **more}
    if token:
        body["token"] = token
    async with httpx2.AsyncClient(timeout=30) as http:
        answer = await http.post(f"{url}/api/widget/session", json=body, headers={"Origin": url})
        assert answer.status_code == 200, answer.text
        return answer.json()


async def agent_ticket(url: str, cookies: dict[str, str]) -> str:
    """POST /api/ticket with an agent's session."""
    async with httpx2.AsyncClient(cookies=cookies, timeout=30) as http:
        answer = await http.post(f"{url}/api/ticket", json={}, headers={"Origin": url})
        assert answer.status_code == 200, answer.text
        return answer.json()["ticket"]
