"""A proxy of the kind that some offices have: it passes HTTP on and answers every upgrade with 403."""

from __future__ import annotations

import asyncio
from types import TracebackType

WAITS = b"prefer: wait=20"


class UpgradeBlocker:
    """Listens on a port of its own and forwards to a server's port. `upgrades` counts what it refused, `late` what it
    held back.

    Args:
        news_late_s: answers to requests that wait for news arrive that much later; others overtake them.
    """

    def __init__(self, target_port: int, news_late_s: float = 0) -> None:
        self._target_port = target_port
        self._news_late_s = news_late_s
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.upgrades = self.late = 0

    async def __aenter__(self) -> UpgradeBlocker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" in head.lower():
                self.upgrades += 1
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._target_port)
            # One request a connection keeps the proxy honest: it sees the head of each.
            upstream.write(head.replace(b"Connection: keep-alive", b"Connection: close"))
            late_s = self._news_late_s if WAITS in head.lower() else 0
            self.late += late_s > 0
            await asyncio.gather(_pass_on(reader, upstream), _pass_on(answers, writer, writer, late_s))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Nobody waits for this task: what ends it is nobody's news.
            pass
        finally:
            self._serving.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()


async def _pass_on(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    done: asyncio.StreamWriter | None = None,
    late_s: float = 0,
) -> None:
    while data := await source.read(65536):
        await asyncio.sleep(late_s)
        target.write(data)
        await target.drain()
    if done is not None:
        done.close()
