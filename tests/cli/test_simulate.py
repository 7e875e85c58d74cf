"""`deskbell simulate`: a day by chance, a day that was, and one clear line when it cannot be."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from app.chat.models import Conversation, Episode, Stint
from app.cli.commands import cli
from app.contacts.models import Visitor
from app.identity.models import Agent, Site, Team
from app.identity.permissions import Role
from app.ids import uuid7
from app.infra.database import Database
from app.infra.work import Work
from app.settings import Settings
from app.simulation.policy import Policy
from app.simulation.recorded import known_team, members, recorded_arrivals, who_was_there
from app.simulation.staff import Impossible, Worker
from tests.cli.conftest import Deskbell
from tests.people import a_site, a_team, an_agent

DAY = datetime(2026, 11, 20, tzinfo=UTC)
Figures = dict[str, Any]


async def simulated(deskbell: Deskbell, *words: str, **environment: str) -> Figures:
    command = await deskbell("simulate", "--json", *words, **environment)
    assert await command.ended(patience=400) == 0, command.output
    return json.loads(command.output.splitlines()[-1])


async def test_a_day_by_chance_under_two_policies(deskbell: Deskbell, tmp_path: Path) -> None:
    drawing = tmp_path / "day.svg"
    words = (
        "--rate", "60", "--hours", "6", "--agents", "3", "--returning", "0.2", "--seed", "5", "--within", "30",
        "--policy", "as it is:", "--policy", "in turn: strategy=round_robin,sticky=0,capacity=2",
    )  # fmt: skip
    figures = await simulated(deskbell, *words, "--svg", str(drawing))
    first, second = figures["policies"]
    assert (first["name"], second["name"]) == ("as it is", "in turn")
    assert first["arrivals"] == second["arrivals"] > 300
    for each in (first, second):
        assert set(each["wait_s"]) == {"p50", "p90", "p95"}
        assert set(each["estimate"]) == {"mae_s", "bias_s", "coverage"}
        assert 0 <= each["wait_s"]["p50"] <= each["wait_s"]["p90"] <= each["wait_s"]["p95"]
        assert 0 <= each["gini_load"] < 1
        assert each["arrivals"] == each["served"] + each["gave_up"] + each["still_waiting"] + each["turned_away"]
    assert first["service_level"] > second["service_level"], "two at once are fewer than three"
    assert first["abandoned"] < second["abandoned"]
    ElementTree.fromstring(drawing.read_text(encoding="utf-8"))


def test_a_table_is_printed_and_no_progress_where_nobody_watches() -> None:
    found = CliRunner().invoke(cli, ["simulate", "--hours", "2"])
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0].split()[:3] == ["served", "gave", "up"]
    assert lines[1].startswith("least busy")
    assert lines[2].startswith("round robin")
    assert not found.stderr


async def test_a_recorded_day_is_replayed_with_who_was_there(
    database: Database, settings: Settings, deskbell: Deskbell
) -> None:
    async with database.sessions() as session:
        work = Work(session)
        team = await a_team(work)
        team.strategy, team.sticky_s = "round_robin", None
        await a_team(work, "Empty")
        site = await a_site(work, team)
        ana = await an_agent(work, "Ana", Role.AGENT, team, capacity=1)
        ben = await an_agent(work, "Ben", Role.AGENT, team, capacity=1)
        # Second of the day, seconds waited, seconds with an agent, who.
        day: list[tuple[float, float, float | None, Agent | None]] = [
            (36_000, 0, 300, ana),
            (36_060, 0, 600, ben),
            (36_120, 180, 300, ana),
            (36_180, 90, None, None),
            (39_600, 0, 120, ben),
            (86_400 + 60, 0, 120, ben),
        ]
        for at, waited, length, agent in day:
            await _episode(work, site, team, at, waited, length, agent)
        await session.commit()
    environment = settings.environment()
    asked = ("--team", "support", "--from", "2026-11-20")
    figures = await simulated(deskbell, *asked, **environment)
    one, other = figures["policies"]
    assert (one["name"], other["name"]) == ("as set", "least busy")
    assert (one["arrivals"], one["turned_away"]) == (5, 0)
    assert [each["agent"] for each in one["agents"]] == ["Ana", "Ben"]
    # It went as it did: the third waited three minutes for Ana; the fourth had gone before anybody was free.
    assert (one["served"], one["gave_up"]) == (4, 1)
    assert one["wait_s"]["p95"] == 180
    async with database.sessions() as session:
        assert (await known_team(session, "SUPPORT")).policy == Policy("as set", "round_robin", sticky_s=0)
        for name, words in ((None, "Empty, Support"), ("Nobody", "no team")):
            with pytest.raises(Impossible, match=words):
                await known_team(session, name)
        with pytest.raises(Impossible, match="--agents"):
            await members(session, await known_team(session, "Empty"))
        known = await known_team(session, "Support")
        assert await members(session, known) == [Worker("Ana", 1), Worker("Ben", 1)]
        with pytest.raises(Impossible, match="nobody was served"):
            await recorded_arrivals(session, known.id, DAY - timedelta(days=9), DAY, Random(1))
        two_days = DAY + timedelta(days=2)
        assert len(await recorded_arrivals(session, known.id, DAY, two_days, Random(1))) == 6
        # From the first whom they served to their last chat's end, each day.
        assert await who_was_there(session, known, DAY, two_days) == [
            Worker("Ana", 1, (), ((36_000, 36_600),)),
            Worker("Ben", 1, (), ((36_060, 39_720), (86_460, 86_580))),
        ]


@pytest.mark.slow
async def test_a_team_as_it_is_set_and_what_of_it_is_not_simulated_is_said(
    database: Database, settings: Settings, deskbell: Deskbell
) -> None:
    async with database.sessions() as session:
        work = Work(session)
        team, other = await a_team(work), await a_team(work, "Sales")
        team.strategy, team.mode, team.queue_limit, team.overflow_team_id = "manual", "offer", 7, other.id
        await an_agent(work, "Ana", Role.AGENT, team, capacity=2)
        await session.commit()
    environment = settings.environment()
    for words in ((), ("--policy", "in turn: strategy=round_robin", "--policy", "as it is:")):
        command = await deskbell("simulate", "--team", "Support", *words, **environment)
        assert await command.ended(patience=400) == 2
        (line,) = command.output.splitlines()
        assert "agents choose for themselves" in line
    figures = await simulated(deskbell, "--team", "Support", "--policy", "in turn: strategy=round_robin", **environment)
    (note,) = figures["notes"]
    assert "Support overflows to Sales" in note
    assert figures["policies"][0]["turned_away"] > 0, "only seven may wait"
    async with database.sessions() as session:
        known = await known_team(session, "Support")
        assert known.policy == Policy("as set", "manual", 30, mode="offer", limit=7)


@pytest.mark.parametrize(
    "words",
    [
        ("--rate", "many"),
        ("--rate", "1,2,3"),
        ("--rate", "0"),
        ("--rate", "99999", "--hours", "99"),
        ("--policy", "odd: strategy=manual"),
        ("--policy", "one:", "--policy", "one:"),
        ("--agent", "Ana: capacity=none"),
        ("--shift", "nine"),
        ("--to", "2026-11-20"),
        ("--from", "2026-11-20", "--to", "2026-11-19"),
        ("--svg", "/nowhere/at/all.svg"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_simulated_is_said_in_one_line(words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(cli, ["simulate", *words])
    assert found.exit_code == 2
    (line,) = found.stderr.splitlines()
    assert line.startswith("deskbell: ")


async def _episode(
    work: Work, site: Site, team: Team, at: float, waited: float, length: float | None, agent: Agent | None
) -> None:
    visitor = Visitor(id=uuid7(), site_id=site.id)
    work.session.add(visitor)
    await work.session.flush()
    conversation = Conversation(id=uuid7(), site_id=site.id, team_id=team.id, visitor_id=visitor.id, state="closed")
    work.session.add(conversation)
    await work.session.flush()
    queued = DAY + timedelta(seconds=at)
    left = queued + timedelta(seconds=waited)
    closed = left if length is None else left + timedelta(seconds=length)
    episode = Episode(
        id=uuid7(), conversation_id=conversation.id, number=1, site_id=site.id, team_id=team.id, queued_at=queued,
        closed_at=closed, outcome="left" if agent is None else "answered",
    )  # fmt: skip
    work.session.add(episode)
    if agent is not None:
        episode.agent_id, episode.assigned_at = agent.id, left
        await work.session.flush()
        work.session.add(Stint(id=uuid7(), episode_id=episode.id, agent_id=agent.id, started_at=left, ended_at=closed))
    await work.session.flush()
