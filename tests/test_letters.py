"""Mail goes to the team when a message was left, and to its writer when they are not there to read the answer."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from app.identity.first_run import OWNER_EMAIL
from app.infra.database import Database
from app.letters.answers import PAUSE_PROVEN, PAUSE_UNPROVEN, Send, Thread, Wait, next_step, way_back
from app.letters.promises import ANSWERS, LEFT_MESSAGE
from app.settings import Settings
from tests.conftest import StartServer
from tests.journeys.cast import AgentOnDuty, Shop
from tests.journeys.stage import Stage, a_stage
from tests.journeys.wire_client import WireClient, new_id
from tests.post_office import PostOffice, post_office
from tests.real_servers import RealServers

journey = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60.0
SENDER = "desk@kiln.example"
VERA = "vera@mail.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as office:
        yield office


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    servers: RealServers, office: PostOffice, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Two server processes that send mail, and gather answers for longer than any of these tests takes."""
    mail = {"mail_url": office.url, "mail_from": SENDER, "mail_gather_seconds": 30}
    async with a_stage(servers, tmp_path_factory.mktemp("letters"), **mail) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def clean(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Each journey begins with an empty letter box, and nobody is left standing on the stage."""
    if "stage" not in request.fixturenames:
        yield
        return
    stage, office = request.getfixturevalue("stage"), request.getfixturevalue("office")
    await stage.forget_limits()
    await stage.sql("DELETE FROM job")
    office.letters.clear()
    office.answers.clear()
    yield
    await stage.send_home()


async def leave(stage: Stage, shop: Shop, words: str, **more: str) -> tuple[WireClient, str]:
    """A visitor leaves a message and goes. Returns them and their conversation."""
    vera = await stage.visitor(shop)
    c = await leave_another(stage, vera, words, **more)
    await vera.close()
    await until_sql(stage, "SELECT count(*) = 0 FROM presence WHERE kind = 'visitor'")
    return vera, c


async def leave_another(stage: Stage, vera: WireClient, words: str, **more: str) -> str:
    """Leave a message; its letters wait until they are asked for by `soon`."""
    given = {"email": VERA, **more}
    done = await vera.command({"t": "leave_message", "m": new_id(), "body": {"text": words}, **given}, PATIENCE_S)
    await stage.sql("UPDATE job SET due_at = now() + interval '1 hour'")
    return done["c"]


async def reopen(stage: Stage, ana: WireClient, c: str) -> int:
    """The agent takes up a message that was left. Returns the generation."""
    await ana.command({"t": "watch", "c": c})
    gen, _ = await state_of(stage, c)
    return (await ana.command({"t": "reopen", "c": c, "gen": gen}))["gen"]


async def soon(stage: Stage) -> None:
    """Let every pause of a waiting job be over."""
    await stage.sql("UPDATE job SET due_at = now() WHERE state = 'queued' AND hold IS NULL")


async def until_sql(stage: Stage, statement: str, **values: object) -> None:
    await stage.until_sql(statement, PATIENCE_S, **values)


async def all_done(stage: Stage) -> None:
    """Wait until no job is left to do."""
    await until_sql(stage, "SELECT count(*) = 0 FROM job WHERE state = 'queued'")


async def state_of(stage: Stage, c: str) -> tuple[int, str]:
    ((gen, state),) = await stage.sql("SELECT gen, state FROM conversation WHERE id = :c", c=UUID(c))
    return gen, state


# Messages that were left


@journey
async def test_each_member_of_the_team_gets_what_was_left_and_can_answer_the_visitor(
    stage: Stage, office: PostOffice
) -> None:
    shop = await stage.shop()
    ana, ben = await shop.hire("Ana"), await shop.hire("Ben")
    gone, owner = await shop.hire("Gus"), await shop.hire("Owner")
    await stage.sql("UPDATE agent SET active = false WHERE id = :id", id=UUID(gone.id))
    await stage.sql("UPDATE agent SET email = :email WHERE id = :id", email=OWNER_EMAIL, id=UUID(owner.id))
    outsider = await (await stage.shop()).hire("Otto")
    vera = await stage.visitor(shop)
    c = await leave_another(stage, vera, "Do you ship to <b>Oslo</b>?\nI am here until six.", name="Vera & Co")
    await leave_another(stage, vera, "Or to Bergen?")
    await soon(stage)
    await all_done(stage)

    addresses = await addresses_of(stage, ana, ben)
    assert sorted(letter.to[0] for letter in office.letters) == sorted(addresses), "one each, with both messages"
    assert not set(addresses) & set(await addresses_of(stage, gone, outsider))
    for letter in office.letters:
        assert len(letter.to) == 1
        assert letter.message["Reply-To"] == VERA
        assert letter.message["From"] == f"Shop <{SENDER}>"
        assert letter.message["Subject"] == "Vera & Co left a message at Shop"
        for words in ("Do you ship to <b>Oslo</b>?\nI am here until six.", "Or to Bergen?", "nobody has checked it"):
            assert words in letter.text
        assert f"/console#/messages/{c}" in letter.text
        assert "Do you ship to &lt;b&gt;Oslo&lt;/b&gt;?" in letter.html
        assert "<b>" not in letter.html


@journey
async def test_what_is_left_after_a_chat_with_another_team_goes_to_the_sites_team(
    stage: Stage, office: PostOffice
) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana, ben = await shop.hire("Ana"), await billing.hire("Ben")
    vera, c = await leave(stage, shop, "Do you ship to Oslo?")
    await stage.sql("DELETE FROM job")
    passed_on = "UPDATE conversation SET team_id = :team, left_message = false WHERE id = :c"
    await stage.sql(passed_on, team=billing.team_id, c=UUID(c))
    again = await stage.again(vera, shop)
    await leave_another(stage, again, "Or to Bergen?")
    await soon(stage)
    await all_done(stage)
    assert [letter.to[0] for letter in office.letters] == await addresses_of(stage, ana)
    assert not set(office.letters[0].to) & set(await addresses_of(stage, ben))


@journey
async def test_what_was_answered_before_its_letter_left_needs_no_letter(stage: Stage, office: PostOffice) -> None:
    shop = await stage.shop()
    ana = await shop.hire("Ana")
    _, c = await leave(stage, shop, "Never mind")
    at_desk = await stage.agent(ana)
    await at_desk.command({"t": "watch", "c": c})
    await at_desk.command({"t": "done", "c": c})
    assert await stage.sql("SELECT kind FROM job") == [(LEFT_MESSAGE,)]
    await soon(stage)
    await all_done(stage)
    assert office.letters == []


@journey
async def test_while_the_mail_server_is_away_letters_wait(stage: Stage, office: PostOffice) -> None:
    shop = await stage.shop()
    await shop.hire("Ana")
    await office.close()
    try:
        await leave(stage, shop, "Hello?")
        await soon(stage)
        await until_sql(stage, "SELECT attempts > 0 AND error IS NOT NULL FROM job")
    finally:
        await office.open()
    assert await stage.sql("SELECT state FROM job") == [("queued",)]
    await soon(stage)
    await all_done(stage)
    assert len(office.letters) == 1


@journey
async def test_an_address_that_is_refused_for_good_keeps_nobody_else_from_their_letter(
    stage: Stage, office: PostOffice
) -> None:
    shop = await stage.shop()
    ana, ben = await shop.hire("Ana"), await shop.hire("Ben")
    refused, fine = (await addresses_of(stage, ana))[0], (await addresses_of(stage, ben))[0]
    office.answers[refused] = "550 no such user here"
    await leave(stage, shop, "Hello?")
    await soon(stage)
    await all_done(stage)
    assert [letter.to for letter in office.letters] == [[fine]]
    rows = await stage.sql("SELECT payload->>'agent', attempts, error FROM job WHERE state = 'failed'")
    assert rows == [(ana.id, 1, "550 no such user here")]


@journey
async def test_a_letter_survives_the_death_of_the_process_that_sends_it(stage: Stage, office: PostOffice) -> None:
    """It had reached the mail server, which had not said so yet: it comes once more, as the same letter."""
    shop = await stage.shop()
    await shop.hire("Ana")
    await leave(stage, shop, "Is anybody there?")
    office.hold()
    stage.two.send(signal.SIGSTOP)
    try:
        await soon(stage)
        await office.received(1)
    finally:
        stage.two.send(signal.SIGCONT)
    await stage.one.kill()
    office.release()
    try:
        await office.received(2)
        await all_done(stage)
    finally:
        await stage.one.start()
    first, again = office.letters
    assert first.message["Message-ID"] == again.message["Message-ID"]
    # (Each of these processes has an address of its own, which the link to the console names.)
    assert first.text.partition("http")[0] == again.text.partition("http")[0]
    assert await stage.sql("SELECT state, attempts FROM job") == [("done", 2)]


# Answers


@journey
async def test_answers_to_somebody_who_has_gone_come_as_one_letter(stage: Stage, office: PostOffice) -> None:
    shop = await stage.shop(origins=("https://kiln.example",))
    ana = await shop.hire("Ana")
    vera, c = await leave(stage, shop, "Do you ship to Oslo?", name="Cheap pills at evil.example")
    await only(stage, ANSWERS)
    at_desk = await stage.agent(ana)
    gen = await reopen(stage, at_desk, c)
    await at_desk.say(c, "Yes, we do.")
    await at_desk.say(c, "It takes <3 days.")
    await at_desk.command({"t": "close", "c": c, "gen": gen})
    await soon(stage)
    await all_done(stage)

    (letter,) = office.letters
    assert letter.to == [VERA]
    assert letter.message["Subject"] == "An answer from Shop"
    assert letter.text.index("Yes, we do.") < letter.text.index("It takes <3 days.")
    assert "It takes &lt;3 days." in letter.html
    assert "https://kiln.example" in letter.text
    whole = letter.text + letter.html + str(letter.message["To"]) + letter.message["Subject"]
    assert "pills" not in whole, "nothing that a stranger wrote goes to an address that nobody has proven"
    assert "Oslo" not in whole
    # She comes back and has it all in the chat, too.
    back = await stage.again(vera, shop)
    assert back.snapshot["conversation"]["c"] == c


@journey
async def test_who_is_there_to_read_gets_no_letter(stage: Stage, office: PostOffice) -> None:
    shop = await stage.shop()
    ana = await shop.hire("Ana")
    vera, c = await leave(stage, shop, "Do you ship to Oslo?")
    await only(stage, ANSWERS)
    back = await stage.again(vera, shop)
    at_desk = await stage.agent(ana)
    gen = await reopen(stage, at_desk, c)
    await until_sql(stage, "SELECT count(*) > 0 FROM presence WHERE kind = 'visitor'")
    said = await at_desk.say(c, "Yes, we do.")
    await at_desk.command({"t": "close", "c": c, "gen": gen})
    await back.event("closed", c=c)
    await soon(stage)
    await until_sql(stage, "SELECT count(*) = 1 FROM job WHERE state = 'queued' AND hold IS NULL AND due_at > now()")
    await back.command({"t": "read", "c": c, "s": said["s"]})
    await until_sql(stage, "SELECT visitor_read >= :s FROM conversation WHERE id = :c", s=said["s"], c=UUID(c))
    await soon(stage)
    await all_done(stage)
    assert office.letters == []
    assert await stage.sql("SELECT kind FROM job") == [(ANSWERS,)]


@journey
async def test_a_stranger_hears_from_a_conversation_once_an_hour(stage: Stage, office: PostOffice) -> None:
    shop = await stage.shop()
    ana = await shop.hire("Ana")
    _, c = await leave(stage, shop, "Do you ship to Oslo?")
    await only(stage, ANSWERS)
    at_desk = await stage.agent(ana)
    gen = await reopen(stage, at_desk, c)
    await at_desk.say(c, "Yes, we do.")
    await at_desk.command({"t": "close", "c": c, "gen": gen})
    await soon(stage)
    await all_done(stage)
    assert len(await office.received(1)) == 1

    gen = await reopen(stage, at_desk, c)
    await at_desk.say(c, "By ship.")
    await at_desk.command({"t": "close", "c": c, "gen": gen})
    # Looked at, and left for later.
    await soon(stage)
    looked = "SELECT count(*) > 0 FROM job WHERE state = 'queued' AND hold IS NULL AND due_at > now()"
    await until_sql(stage, looked)
    assert len(office.letters) == 1

    await stage.sql("UPDATE conversation SET mailed_at = mailed_at - interval '1 hour'")
    await soon(stage)
    await all_done(stage)
    assert len(office.letters) == 2
    assert "By ship." in office.letters[1].text
    assert "Yes, we do." not in office.letters[1].text
    first, second = (letter.message for letter in office.letters)
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]


async def addresses_of(stage: Stage, *people: AgentOnDuty) -> list[str]:
    rows = await stage.sql("SELECT email FROM agent WHERE id = ANY (:ids)", ids=[UUID(person.id) for person in people])
    return [row[0] for row in rows]


async def only(stage: Stage, kind: str) -> None:
    """The letters to the team are not what this test is about."""
    await stage.sql("DELETE FROM job WHERE kind <> :kind", kind=kind)


# Without mail


async def test_without_a_mail_server_no_job_is_made(
    database: Database, settings: Settings, server_process: StartServer
) -> None:
    process = await server_process()
    stage = Stage(process, process, database, settings)
    shop = await stage.shop()
    ana = await shop.hire("Ana")
    _, c = await leave(stage, shop, "Do you ship to Oslo?")
    at_desk = await stage.agent(ana)
    await reopen(stage, at_desk, c)
    await at_desk.say(c, "Yes, we do.")
    assert await stage.sql("SELECT kind FROM job") == []
    await stage.send_home()


# Rules

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GATHER = timedelta(seconds=60)
QUIET = Thread(unread=[], closed=False, online=False, mailed_at=None, verified=False)


def ago(*seconds: float) -> list[tuple[int, datetime]]:
    """Answers that were written so many seconds ago."""
    return [(5 + n, NOW - timedelta(seconds=s)) for n, s in enumerate(seconds)]


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({}, Wait(60)),
        ({"closed": True}, None),
        ({"unread": ago(10)}, Wait(50)),
        ({"unread": ago(60)}, Send(5, 5)),
        ({"unread": ago(70, 10)}, Wait(50)),
        ({"unread": ago(299, 250, 200, 150, 100, 50, 10)}, Wait(1)),
        ({"unread": ago(300, 250, 200, 150, 100, 50, 10)}, Send(5, 11)),
        ({"unread": ago(2, 1), "closed": True}, Send(5, 6)),
        ({"unread": ago(600), "online": True}, Wait(60)),
        ({"unread": ago(600), "online": True, "closed": True}, Wait(60)),
        ({"unread": ago(600), "mailed_at": NOW - PAUSE_UNPROVEN + timedelta(seconds=30)}, Wait(30)),
        ({"unread": ago(600), "mailed_at": NOW - PAUSE_PROVEN}, Wait(60)),
        ({"unread": ago(600), "mailed_at": NOW - PAUSE_PROVEN, "verified": True}, Send(5, 5)),
        ({"unread": ago(600), "mailed_at": NOW - PAUSE_UNPROVEN}, Send(5, 5)),
        ({"unread": ago(1), "mailed_at": NOW - PAUSE_PROVEN / 2, "verified": True, "closed": True}, Wait(60)),
    ],
)
def test_when_a_letter_is_due(change: dict[str, object], step: object) -> None:
    assert next_step(replace(QUIET, **change), NOW, GATHER) == step  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("https://kiln.example/pots/7?session=secret#top", "https://kiln.example/pots/7"),
        ('https://kiln.example/a b"<i>', "https://kiln.example/a%20b%22%3Ci%3E"),
        ("https://evil.example/", "https://kiln.example"),
        ("https://kiln.example@evil.example/", "https://kiln.example"),
        ("https://kiln.example.evil.example/", "https://kiln.example"),
        ("http://kiln.example/", "https://kiln.example"),
        ("javascript:alert(1)", "https://kiln.example"),
        ("https://[", "https://kiln.example"),
        (None, "https://kiln.example"),
    ],
)
def test_the_way_back_is_the_sites_own(page: str | None, link: str) -> None:
    assert way_back(page, ["https://kiln.example"]) == link
    assert way_back(page, []) is None
