"""Outgoing mail: a letter becomes one message to one address, handed to the operator's mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from app import clock
from app.errors import Invalid
from app.infra.jobs.outcomes import GiveUp
from app.text import checked_email

PATIENCE_S = 15.0
"""Seconds for each answer of the mail server."""
WHOLE_S = 60.0
"""Seconds for a whole letter."""

_ASCII = SMTP.clone(cte_type="7bit")
_UNICODE = SMTPUTF8.clone(cte_type="7bit")
"""For addresses that are not ASCII before the @; few servers take them."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to one address.

    Attributes:
        id: makes the Message-ID: the same letter sent twice can be told by it.
        thread: letters with the same one stand together in a mailbox.
        sender_name: shown beside the sender's address.
        reply_to: where an answer should go, if not to the sender; left out if it is no address.
    """

    id: UUID
    thread: UUID
    to: str
    sender_name: str
    subject: str
    text: str
    html: str
    reply_to: str | None = None


class MailServer:
    """The operator's mail server.

    Args:
        url: `smtp://` (STARTTLS if offered) or `smtps://`, with user and password if it wants them.
        sender: the address that mail comes from.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._place = urlsplit(url)
        self._sender = _ascii_domain(sender)

    async def send(self, letter: Letter) -> None:
        """Hand a letter over. When this returns, the server has taken it.

        Raises:
            GiveUp: the address or the letter is refused for good.
            OSError, TimeoutError, aiosmtplib.SMTPException: not now; a repeat may succeed.
        """
        to = _one_address(letter.to)
        message = compose(letter, self._sender)
        try:
            async with asyncio.timeout(WHOLE_S), self._connected() as server:
                options = [] if message.policy is _ASCII else await _unicode_options(server)
                # The envelope says where it goes, not the headers: it is one address, whatever they hold.
                await server.sendmail(self._sender, [to], message.as_bytes(), mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            if refused.code >= 500:
                raise GiveUp(f"{refused.code} {refused.message}") from error
            raise
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            if error.code >= 500:
                raise GiveUp(f"{error.code} {error.message}") from error
            raise

    async def greet(self) -> None:
        """Connect, and sign in if there is a user.

        Raises what `send` raises, but GiveUp.
        """
        async with asyncio.timeout(WHOLE_S), self._connected() as server:
            await server.noop()

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[aiosmtplib.SMTP]:
        secure = self._place.scheme == "smtps"
        server = aiosmtplib.SMTP(
            hostname=self._place.hostname,
            port=self._place.port or (465 if secure else 587),
            username=unquote(self._place.username) if self._place.username else None,
            password=unquote(self._place.password or "") if self._place.username else None,
            use_tls=secure,
            timeout=PATIENCE_S,
        )
        try:
            await server.connect()
            yield server
            # The letter is taken by now; a server that does not say goodbye does not make it untaken.
            try:
                await server.quit()
            except aiosmtplib.SMTPException:
                return
        finally:
            server.close()


async def _unicode_options(server: aiosmtplib.SMTP) -> list[str]:
    if server.is_ehlo_or_helo_needed:
        await server.ehlo()
    if not server.supports_extension("smtputf8"):
        raise GiveUp("the mail server takes no address with such letters")
    return ["SMTPUTF8", "BODY=8BITMIME"]


def compose(letter: Letter, sender: str) -> EmailMessage:
    """Return the message: plain text, with HTML beside it.

    Raises:
        GiveUp: the address is none, or a header would hold more than one line.
    """
    to = _one_address(letter.to)
    message = EmailMessage(_ASCII if to.isascii() and sender.isascii() else _UNICODE)
    home = sender.rpartition("@")[2]
    try:
        message["From"] = _address(sender, letter.sender_name)
        message["To"] = _address(to)
        if (reply_to := _reply_address(letter.reply_to)) is not None:
            message["Reply-To"] = _address(reply_to)
        message["Subject"] = letter.subject
    except ValueError as error:
        raise GiveUp(f"a header is wrong: {error}") from error
    message["Message-ID"] = f"<{letter.id}@{home}>"
    message["References"] = f"<{letter.thread}@{home}>"
    message["Date"] = format_datetime(clock.now())
    # Nobody's holiday notice should answer: with Reply-To it would go to a stranger.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def _one_address(address: str) -> str:
    """Return an address as it goes on the wire; whatever could be read as two, or as a header, is none."""
    try:
        return _ascii_domain(checked_email(address) or "")
    except (Invalid, UnicodeError):
        raise GiveUp("that is not an e-mail address") from None


def _reply_address(address: str | None) -> str | None:
    """Return an address to answer to; None when few servers would take it: the letter's words hold it too."""
    try:
        plain = _one_address(address or "")
    except GiveUp:
        return None
    return plain if plain.isascii() else None


def _ascii_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}"
