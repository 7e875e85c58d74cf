"""Who sees, uses and changes which canned reply."""

from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from app.canned.library import (
    Draft,
    change_reply,
    count_use,
    create_reply,
    delete_reply,
    manageable_replies,
    may_edit,
    reply_for,
    visible_replies,
)
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.identity.access import CurrentAgent
from app.identity.permissions import Role
from app.ids import TeamId, uuid7
from app.infra.work import Work
from tests.people import a_team, an_agent, asking


@dataclass
class Cast:
    ana: CurrentAgent
    """An agent of Support."""
    ben: CurrentAgent
    """An agent of Billing."""
    mei: CurrentAgent
    """Support's supervisor."""
    ada: CurrentAgent
    """An admin, in no team."""
    support: TeamId
    billing: TeamId


@pytest.fixture
async def cast(work: Work) -> Cast:
    support, billing = await a_team(work, "Support"), await a_team(work, "Billing")
    return Cast(
        ana=asking(await an_agent(work, "Ana", Role.AGENT, support), support),
        ben=asking(await an_agent(work, "Ben", Role.AGENT, billing), billing),
        mei=asking(await an_agent(work, "Mei", Role.SUPERVISOR, support), support),
        ada=asking(await an_agent(work, "Ada", Role.ADMIN)),
        support=TeamId(support.id),
        billing=TeamId(billing.id),
    )


def draft(scope: str = "personal", shortcut: str = "hi", team: TeamId | None = None, body: str = "Hello") -> Draft:
    return Draft(scope=scope, title=f"Title of {shortcut}", shortcut=shortcut, body=body, team_id=team)


async def seen(work: Work, agent: CurrentAgent, **narrowed: str) -> set[str]:
    return {entry.reply.shortcut for entry in await visible_replies(work.session, agent, **narrowed)}


async def test_each_sees_their_own_their_teams_and_everyones(work: Work, cast: Cast) -> None:
    await create_reply(work.session, cast.ana, draft(shortcut="ana"))
    await create_reply(work.session, cast.ben, draft(shortcut="ben"))
    await create_reply(work.session, cast.mei, draft("team", "support", cast.support))
    await create_reply(work.session, cast.ada, draft("team", "billing", cast.billing))
    await create_reply(work.session, cast.ada, draft("everyone", "all"))

    assert await seen(work, cast.ana) == {"ana", "support", "all"}
    assert await seen(work, cast.ben) == {"ben", "billing", "all"}
    assert await seen(work, cast.ada) == {"all"}
    assert await seen(work, cast.ana, scope="team") == {"support"}
    managed = await manageable_replies(work.session, cast.ada)
    assert {entry.reply.shortcut for entry in managed} == {"ana", "ben", "support", "billing", "all"}


async def test_search_looks_for_every_word_and_takes_wildcards_literally(work: Work, cast: Cast) -> None:
    await create_reply(work.session, cast.ana, draft(shortcut="returns", body="Send it back within 30 days"))
    await create_reply(work.session, cast.ana, draft(shortcut="percent", body="10% off_today"))
    assert await seen(work, cast.ana, words="DAYS back") == {"returns"}
    assert await seen(work, cast.ana, words="/returns") == {"returns"}
    assert await seen(work, cast.ana, words="%") == {"percent"}
    assert await seen(work, cast.ana, words="f_t") == {"percent"}
    assert await seen(work, cast.ana, words="days nowhere") == set()


@pytest.mark.parametrize(
    ("who", "scope", "allowed"),
    [
        ("ana", "personal", True),
        ("ana", "team", False),
        ("ana", "everyone", False),
        ("mei", "team", True),
        ("mei", "everyone", False),
        ("ada", "team", True),
        ("ada", "everyone", True),
    ],
)
async def test_who_may_write_for_whom(work: Work, cast: Cast, who: str, scope: str, allowed: bool) -> None:
    agent: CurrentAgent = getattr(cast, who)
    wanted = draft(scope, team=cast.support if scope == "team" else None)
    if allowed:
        assert may_edit(agent, await create_reply(work.session, agent, wanted))
    else:
        with pytest.raises(Forbidden):
            await create_reply(work.session, agent, wanted)


async def test_a_supervisor_writes_for_no_other_team(work: Work, cast: Cast) -> None:
    with pytest.raises(Forbidden):
        await create_reply(work.session, cast.mei, draft("team", team=cast.billing))


async def test_another_agents_reply_is_not_there_at_all(work: Work, cast: Cast) -> None:
    theirs = await create_reply(work.session, cast.ana, draft())
    with pytest.raises(NotFound):
        await reply_for(work.session, cast.ben, theirs.id)
    with pytest.raises(NotFound):
        await change_reply(work.session, cast.ben, theirs.id, draft(), 1)
    with pytest.raises(NotFound):
        await delete_reply(work.session, cast.ben, theirs.id)
    with pytest.raises(NotFound):
        await reply_for(work.session, cast.ben, uuid7())


async def test_a_reply_for_everyone_can_be_used_but_not_changed_by_an_agent(work: Work, cast: Cast) -> None:
    common = await create_reply(work.session, cast.ada, draft("everyone"))
    assert (await reply_for(work.session, cast.ana, common.id)).reply.body == "Hello"
    with pytest.raises(Forbidden):
        await change_reply(work.session, cast.ana, common.id, draft(), 1)
    with pytest.raises(Forbidden):
        await delete_reply(work.session, cast.ana, common.id)


async def test_a_shortcut_is_free_in_another_scope_and_taken_in_the_same_whatever_its_case(
    work: Work, cast: Cast
) -> None:
    await create_reply(work.session, cast.ana, draft(shortcut="Hours"))
    await create_reply(work.session, cast.ben, draft(shortcut="hours"))
    await create_reply(work.session, cast.ada, draft("everyone", "hours"))
    with pytest.raises(Conflict) as caught:
        await create_reply(work.session, cast.ana, draft(shortcut="hOURS"))
    assert (caught.value.code, caught.value.field) == ("in_use", "shortcut")


async def test_a_change_made_meanwhile_is_not_overwritten(work: Work, cast: Cast) -> None:
    reply = await create_reply(work.session, cast.ana, draft())
    await change_reply(work.session, cast.ana, reply.id, draft(body="Newer"), 1)
    with pytest.raises(Conflict) as caught:
        await change_reply(work.session, cast.ana, reply.id, draft(body="From an old window"), 1)
    assert caught.value.code == "stale"
    assert (reply.body, reply.version) == ("Newer", 2)


async def test_an_admin_who_mends_a_personal_reply_leaves_it_with_its_owner(work: Work, cast: Cast) -> None:
    reply = await create_reply(work.session, cast.ana, draft())
    await change_reply(work.session, cast.ada, reply.id, draft(body="Mended"), 1)
    assert reply.agent_id == cast.ana.id


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"title": " "}, "title", "empty"),
        ({"title": "x" * 121}, "title", "too_large"),
        ({"title": "two\nlines"}, "title", "bad_text"),
        ({"body": "\x00"}, "body", "bad_text"),
        ({"body": "x" * 5001}, "body", "too_large"),
        ({"body": "{{visitor.nmae}}"}, "body", "invalid"),
        ({"shortcut": "two words"}, "shortcut", "invalid"),
        ({"shortcut": ""}, "shortcut", "empty"),
        ({"scope": "world"}, "scope", "invalid"),
        ({"scope": "team"}, "team_id", "invalid"),
        ({"scope": "team", "team_id": UUID(int=1)}, "team_id", "invalid"),
    ],
)
async def test_what_is_wrong_is_told_with_its_field(
    work: Work, cast: Cast, wrong: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await create_reply(work.session, cast.ada, replace(draft(), **wrong))  # pyright: ignore[reportArgumentType]
    assert (caught.value.field, caught.value.code) == (field, code)


async def test_a_use_counts_only_for_those_who_can_see_the_reply(work: Work, cast: Cast) -> None:
    reply = await create_reply(work.session, cast.ana, draft())
    await count_use(work.session, reply.id, cast.ana.id, cast.ana.team_ids)
    await count_use(work.session, reply.id, cast.ben.id, cast.ben.team_ids)
    await count_use(work.session, uuid7(), cast.ana.id, cast.ana.team_ids)
    await work.session.refresh(reply)
    assert reply.used_count == 1
