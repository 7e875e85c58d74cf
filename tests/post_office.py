"""A real mail server in the test's own process, that can refuse, keep people waiting, and go away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.journeys.server_process import free_port


@dataclass
class Received:
    """One delivery: where the envelope sent it, and what was in it."""

    to: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return part.get_content().replace("\r\n", "\n")

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        assert part is not None
        return part.get_content().replace("\r\n", "\n")


@dataclass
class PostOffice:
    """Where letters arrive.

    Attributes:
        letters: all that were taken, in order.
        answers: what to say to a recipient instead of yes, as in "550 nobody here".
        user: who may sign in, as (name, password); None: nobody needs to.
        unicode: whether addresses may be any letters.
    """

    port: int = field(default_factory=free_port)
    letters: list[Received] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    user: tuple[bytes, bytes] | None = None
    unicode: bool = False
    signed_in: int = 0
    _server: asyncio.Server | None = None
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen (again)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._counter, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Go away: nobody listens on the port any more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def hold(self) -> None:
        """Take letters, but do not say so."""
        self._open.clear()

    def release(self) -> None:
        """Say so now."""
        self._open.set()

    async def received(self, count: int, within_s: float = 60) -> list[Received]:
        """Return the letters once there are so many."""
        await self._until(lambda: len(self.letters) >= count, within_s)
        return self.letters

    async def _until(self, condition: Any, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)

    def _counter(self) -> SMTP:
        return SMTP(
            self,
            hostname="post.test",
            ident="post office",
            enable_SMTPUTF8=self.unicode,
            auth_require_tls=False,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login, data.password) == self.user
        self.signed_in += known
        return AuthResult(success=known, handled=False)

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.user is not None and not session.authenticated:
            return "530 sign in first"
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, _class=EmailMessage, policy=POLICY)
        self.letters.append(Received(list(envelope.rcpt_tos), message))
        await self._open.wait()
        return "250 OK"


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    """An open post office."""
    office = PostOffice()
    await office.open()
    try:
        yield office
    finally:
        office.release()
        await office.close()
