"""Letters reach the one address they are for, whatever is in them; a repeated one can be told by its Message-ID."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import aiosmtplib
import pytest

from app.infra.jobs.outcomes import GiveUp
from app.infra.mail import Letter, MailServer, compose
from tests.journeys.server_process import free_port
from tests.post_office import PostOffice, post_office

LETTER = Letter(
    id=UUID(int=7),
    thread=UUID(int=8),
    to="vera@mail.example",
    sender_name="Kiln & Leaf",
    subject="An answer from Kiln & Leaf",
    text="It ships today. 茶\n",
    html="<p>It ships today. 茶</p>",
    reply_to="ana@desk.example",
)
SENDER = "desk@kiln.example"


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as office:
        yield office


async def test_a_letter_arrives_whole(office: PostOffice) -> None:
    await MailServer(office.url, SENDER).send(LETTER)

    (received,) = office.letters
    message = received.message
    assert received.to == ["vera@mail.example"]
    assert message["From"] == "Kiln & Leaf <desk@kiln.example>"
    assert message["To"] == "vera@mail.example"
    assert message["Reply-To"] == "ana@desk.example"
    assert message["Subject"] == "An answer from Kiln & Leaf"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (received.text.strip(), received.html.strip()) == ("It ships today. 茶", "<p>It ships today. 茶</p>")


async def test_a_repeated_letter_has_the_same_message_id_and_a_new_one_another(office: PostOffice) -> None:
    server = MailServer(office.url, SENDER)
    await server.send(LETTER)
    await server.send(LETTER)
    await server.send(replace(LETTER, id=UUID(int=9)))

    first, again, other = (letter.message["Message-ID"] for letter in office.letters)
    assert first == again == f"<{UUID(int=7)}@kiln.example>"
    assert other != first
    assert len({letter.message["References"] for letter in office.letters}) == 1


@pytest.mark.parametrize(
    "address",
    [
        "vera@mail.example\r\nBcc: otto@evil.example",
        "vera@mail.example\nBcc: otto@evil.example",
        "vera@mail.example\u2028Bcc: otto@evil.example",
        "vera@mail.example, otto@evil.example",
        "vera@mail.example;otto@evil.example",
        "vera@mail.example otto@evil.example",
        "<otto@evil.example>vera@mail.example",
        "Vera <vera@mail.example>",
        '"vera@mail.example,"@evil.example',
        "friends: vera@mail.example;",
        "vera@otto@evil.example",
        "vera@mail.example\0",
        "vera@mail.example%0d%0aBcc:otto@evil.example",
        "vera@[127.0.0.1]",
        "vera@mail..example",
        "vera",
        "@mail.example",
        "",
    ],
)
async def test_what_is_not_one_address_is_no_address(office: PostOffice, address: str) -> None:
    with pytest.raises(GiveUp):
        await MailServer(office.url, SENDER).send(replace(LETTER, to=address))
    assert office.letters == []
    assert "otto" not in str(compose(replace(LETTER, reply_to=address), SENDER)), "nor is it one to answer to"


@pytest.mark.parametrize("field", ["subject", "sender_name"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_a_header_cannot_become_two(office: PostOffice, field: str, end: str) -> None:
    with pytest.raises(GiveUp):
        await MailServer(office.url, SENDER).send(replace(LETTER, **{field: f"Hello{end}Bcc: otto@evil.example"}))
    assert office.letters == []


async def test_a_name_that_looks_like_an_address_is_a_name(office: PostOffice) -> None:
    await MailServer(office.url, SENDER).send(replace(LETTER, sender_name='"Ana" <otto@evil.example>, "x'))

    (received,) = office.letters
    (sender,) = received.message["From"].addresses
    assert sender.addr_spec == SENDER
    assert sender.display_name == '"Ana" <otto@evil.example>, "x'


async def test_a_domain_may_be_in_any_script(office: PostOffice) -> None:
    await MailServer(office.url, SENDER).send(replace(LETTER, to="vera@bücher.example"))
    assert office.letters[0].to == ["vera@xn--bcher-kva.example"]


async def test_a_name_in_any_script_needs_a_server_that_takes_it(office: PostOffice) -> None:
    letter = replace(LETTER, to="véra@mail.example")
    with pytest.raises(GiveUp):
        await MailServer(office.url, SENDER).send(letter)

    office.unicode = True
    await MailServer(office.url, SENDER).send(letter)
    assert office.letters[0].to == ["véra@mail.example"]


async def test_refused_for_good_and_refused_for_now_are_told_apart(office: PostOffice) -> None:
    office.answers = {"vera@mail.example": "550 no such user", "vic@mail.example": "451 come back later"}
    server = MailServer(office.url, SENDER)
    with pytest.raises(GiveUp, match="550"):
        await server.send(LETTER)
    with pytest.raises(aiosmtplib.SMTPException):
        await server.send(replace(LETTER, to="vic@mail.example"))
    with pytest.raises(aiosmtplib.SMTPException):
        await MailServer(f"smtp://127.0.0.1:{free_port()}", SENDER).send(LETTER)


async def test_name_and_password_are_given(office: PostOffice) -> None:
    office.user = (b"desk@kiln.example", b"p@ss/word")
    await MailServer(f"smtp://desk%40kiln.example:p%40ss%2Fword@127.0.0.1:{office.port}", SENDER).send(LETTER)
    assert (office.signed_in, len(office.letters)) == (1, 1)

    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await MailServer(f"smtp://desk%40kiln.example:wrong@127.0.0.1:{office.port}", SENDER).greet()
