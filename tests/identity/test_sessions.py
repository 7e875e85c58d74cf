"""Agents' sessions and socket tickets."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.errors import Unauthorized
from app.identity.agents import deactivate
from app.identity.events import SessionsRevoked
from app.identity.models import AgentSession, SocketTicket
from app.identity.permissions import Role
from app.identity.sessions import ABSOLUTE, IDLE, forget_expired, live_session, revoke_sessions
from app.identity.tokens import TICKET_LIFE, consume_ticket, issue_ticket
from app.ids import AgentId
from app.infra.work import Work
from tests.people import a_session, an_agent

NOW = clock.now()
SECOND = timedelta(seconds=1)


async def test_only_the_hash_of_a_token_is_stored(work: Work) -> None:
    token = await a_session(work, await an_agent(work, "Ana"))
    row = (await work.session.scalars(select(AgentSession))).one()
    assert token.encode() not in row.token_hash
    assert len(row.token_hash) == 32


async def test_a_session_ends_after_twelve_idle_hours(work: Work) -> None:
    token = await a_session(work, await an_agent(work, "Ana"), NOW)
    assert await live_session(work.session, NOW + IDLE - SECOND, token=token)
    await work.session.flush()
    assert await live_session(work.session, NOW + 2 * IDLE - 2 * SECOND, token=token), "a use counts anew"
    await work.session.flush()
    assert await live_session(work.session, NOW + 3 * IDLE, token=token) is None


async def test_a_session_ends_after_seven_days_however_busy(work: Work) -> None:
    token = await a_session(work, await an_agent(work, "Ana"), NOW)
    at = NOW
    while at + IDLE / 2 < NOW + ABSOLUTE:
        at += IDLE / 2
        assert await live_session(work.session, at, token=token)
        await work.session.flush()
    assert await live_session(work.session, NOW + ABSOLUTE, token=token) is None


async def test_an_unknown_token_is_nobodys(work: Work) -> None:
    await a_session(work, await an_agent(work, "Ana"))
    assert await live_session(work.session, clock.now(), token="x" * 43) is None
    assert await live_session(work.session, clock.now(), token="\ud800") is None


async def test_revoking_ends_all_but_one_and_tells_which(work: Work) -> None:
    ana = await an_agent(work, "Ana")
    kept, lost = await a_session(work, ana, NOW), await a_session(work, ana, NOW)
    mine = await live_session(work.session, NOW, token=kept)
    assert mine
    ids = await revoke_sessions(work, AgentId(ana.id), NOW, but=mine.session.id)
    assert await live_session(work.session, NOW, token=kept)
    assert await live_session(work.session, NOW, token=lost) is None
    assert SessionsRevoked(AgentId(ana.id), ids) in work.facts
    assert mine.session.id not in ids


async def test_whoever_is_switched_off_is_signed_out(work: Work) -> None:
    ana = await an_agent(work, "Ana")
    token = await a_session(work, ana, NOW)
    await deactivate(work, Role.ADMIN, AgentId(ana.id), NOW)
    assert await live_session(work.session, NOW, token=token) is None
    assert any(isinstance(fact, SessionsRevoked) for fact in work.facts)


async def ticket_of(work: Work, token: str) -> str:
    live = await live_session(work.session, NOW, token=token)
    assert live
    return (await issue_ticket(work.session, live.session.id, NOW))[0]


async def test_a_ticket_opens_once(work: Work) -> None:
    ana = await an_agent(work, "Ana")
    ticket = await ticket_of(work, await a_session(work, ana, NOW))
    assert (await consume_ticket(work.session, ticket, NOW)).agent_id == ana.id
    with pytest.raises(Unauthorized):
        await consume_ticket(work.session, ticket, NOW)


async def test_a_ticket_opens_for_thirty_seconds(work: Work) -> None:
    token = await a_session(work, await an_agent(work, "Ana"), NOW)
    assert await consume_ticket(work.session, await ticket_of(work, token), NOW + TICKET_LIFE - SECOND)
    with pytest.raises(Unauthorized):
        await consume_ticket(work.session, await ticket_of(work, token), NOW + TICKET_LIFE)


async def test_a_ticket_does_not_outlive_its_session(work: Work) -> None:
    ana = await an_agent(work, "Ana")
    ticket = await ticket_of(work, await a_session(work, ana, NOW))
    await revoke_sessions(work, AgentId(ana.id), NOW)
    with pytest.raises(Unauthorized):
        await consume_ticket(work.session, ticket, NOW)


@pytest.mark.parametrize("ticket", ["", "x", "\x00", "\ud800", "é" * 5000])
async def test_no_text_is_a_ticket_by_chance(work: Work, ticket: str) -> None:
    with pytest.raises(Unauthorized):
        await consume_ticket(work.session, ticket, NOW)


async def test_the_sweeper_forgets_what_is_long_over(work: Work) -> None:
    ana = await an_agent(work, "Ana")
    old = await a_session(work, ana, NOW - timedelta(days=9))
    new = await a_session(work, ana, NOW)
    await ticket_of(work, new)
    await forget_expired(work.session, NOW + timedelta(minutes=1))
    assert await live_session(work.session, NOW, token=new)
    assert await live_session(work.session, NOW - timedelta(days=9), token=old) is None
    assert (await work.session.scalars(select(SocketTicket))).all() == []
