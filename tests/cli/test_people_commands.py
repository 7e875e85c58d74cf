"""`deskbell init`, `create-user` and `demo`, as an operator runs them."""

import asyncio
import re

import pytest
from typer.testing import CliRunner, Result

from app.cli.commands import cli
from app.cli.offline_work import offline_work
from app.identity.sites import SiteDetails, create_site
from app.identity.teams import all_teams
from app.ids import TeamId
from app.settings import Settings


@pytest.fixture
def deskbell(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Run a command against the test's database: `deskbell("init")`."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return run


def test_init_makes_the_first_owner_once(deskbell) -> None:
    first = deskbell("init", "--email", "olga@desk.example", "--name", "Olga")
    assert first.exit_code == 0, first.output
    assert "olga@desk.example" in first.output
    assert re.search(r"Password   (\w{4}-){3}\w{4}$", first.output, re.M)
    again = deskbell("init")
    assert again.exit_code == 0
    assert "nothing to do" in again.output


def test_init_refuses_a_poor_password_in_one_line(deskbell) -> None:
    refused = deskbell("init", "--password", "short")
    assert refused.exit_code == 1
    assert refused.output.strip() == "deskbell: At least 12 characters, please. A short sentence does well."


def test_create_user_puts_somebody_into_a_team_and_tells_what_is_wrong(deskbell) -> None:
    assert deskbell("init").exit_code == 0
    made = deskbell("create-user", "ben@desk.example", "--name", "Ben", "--team", "SUPPORT", "--role", "supervisor")
    assert made.exit_code == 0, made.output
    assert "Password (shown only this once)" in made.output
    for words, told in (
        (("ben@desk.example", "--name", "Ben"), "Somebody has this e-mail address already."),
        (("x@desk.example", "--name", "X", "--team", "Moon"), "There is no team called 'Moon'."),
        (("x", "--name", "X"), "That does not look like an e-mail address."),
    ):
        wrong = deskbell("create-user", *words)
        assert wrong.exit_code == 1
        assert told in wrong.output


def test_the_demo_is_lively_and_made_once(deskbell) -> None:
    made = deskbell("demo", "--password", "a kettle sings at noon")
    assert made.exit_code == 0, made.output
    chats = re.search(r"has (\d+) chats behind it", made.output)
    assert chats
    assert int(chats[1]) > 60
    assert "ana@kiln.example" in made.output
    assert "First sign-in" in made.output
    again = deskbell("demo")
    assert again.exit_code == 0
    assert "nothing to do" in again.output


def test_the_demo_does_not_walk_into_a_desk_that_is_in_use(deskbell, settings: Settings) -> None:
    assert deskbell("init").exit_code == 0
    asyncio.run(_open_a_site(settings))
    refused = deskbell("demo")
    assert refused.exit_code == 1
    assert "This desk is in use" in refused.output
    assert deskbell("demo", "--yes").exit_code == 0


async def _open_a_site(settings: Settings) -> None:
    async with offline_work(settings.database_url) as units, units.begin() as work:
        (team,) = await all_teams(work.session)
        await create_site(work, SiteDetails("Bakery", TeamId(team.id), ["https://bakery.example"]))
