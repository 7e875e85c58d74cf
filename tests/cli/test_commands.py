"""The commands that look and tell: config, doctor, migrate, version, and what a wrong setting does to any."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.cli.config import MASK
from app.infra.embedded import EmbeddedServers
from app.settings import Settings
from tests.cli.conftest import Deskbell
from tests.conftest import FreshDatabase, StartServer
from tests.journeys.server_process import free_port


async def test_a_wrong_setting_stops_any_command_in_one_line(deskbell: Deskbell) -> None:
    for word in ("serve", "migrate", "config", "doctor", "worker"):
        command = await deskbell(word, DESKBELL_PORT="eighty")
        assert await command.ended() == 2
        (line,) = command.output.splitlines()
        assert line.startswith("deskbell: DESKBELL_PORT: ")


async def test_config_shows_settings_and_masks_secrets(deskbell: Deskbell) -> None:
    config = await deskbell(
        "config",
        DESKBELL_DATABASE_URL="postgresql://ada:hunter2@db.example/desk?sslpassword=hunter2",
        DESKBELL_SECRET_KEY="hunter2" * 8,
        DESKBELL_MAIL_URL="smtp://ada:hunter2@mail.example:587",
        DESKBELL_PROT="9001",
    )
    assert await config.ended() == 0
    assert "hunter2" not in config.output
    assert f"DESKBELL_DATABASE_URL=postgresql+asyncpg://ada:{MASK}@db.example/desk?sslpassword={MASK}" in config.output
    assert f"DESKBELL_SECRET_KEY={MASK}" in config.output
    assert "DESKBELL_PORT=8000" in config.output
    assert "DESKBELL_PROT is set, but Deskbell has no such setting." in config.output


async def test_version_is_told(deskbell: Deskbell) -> None:
    version = await deskbell("version")
    assert await version.ended() == 0
    assert version.output.startswith("deskbell ")


async def test_migrate_tells_what_it_did(deskbell: Deskbell, fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    addresses = {"DESKBELL_DATABASE_URL": url, "DESKBELL_REDIS_URL": "redis://unused", "DESKBELL_SECRET_KEY": "s" * 40}
    first = await deskbell("migrate", **addresses)
    assert await first.ended() == 0, first.output
    assert "from revision none to" in first.output
    second = await deskbell("migrate", **addresses)
    assert await second.ended() == 0
    assert "already" in second.output


async def test_doctor_finds_a_healthy_house_healthy(
    settings: Settings, server_process: StartServer, deskbell: Deskbell, mail_server: int
) -> None:
    server = await server_process()
    whole = server.settings.replaced(mail_url=f"smtp://127.0.0.1:{mail_server}")
    doctor = await deskbell("doctor", **whole.environment())
    code = await doctor.ended()
    assert "AMISS" not in doctor.output
    assert code == 0
    for thing in ("PostgreSQL", "synchronous_commit", "The schema", "noeviction", "WebSocket", "mail server"):
        assert thing in doctor.output


async def test_doctor_names_each_thing_that_is_amiss(
    settings: Settings, fresh_database: FreshDatabase, deskbell: Deskbell
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    ill = settings.replaced(
        database_url=await fresh_database(),
        redis_url=f"redis://{nobody}",
        public_url=f"http://{nobody}",
        mail_url=f"smtp://{nobody}",
    )
    doctor = await deskbell("doctor", **ill.environment())
    assert await doctor.ended() == 1
    amiss = [line for line in doctor.output.splitlines() if "AMISS" in line]
    assert len(amiss) == 4, doctor.output
    for line, name in zip(amiss, ("deskbell migrate", "DESKBELL_REDIS_URL", "Does Deskbell run", "MAIL"), strict=True):
        assert name in line


async def test_doctor_notices_a_redis_that_would_evict(settings: Settings, directory: Path, deskbell: Deskbell) -> None:
    own = EmbeddedServers(directory / "data", postgres=False)
    await own.start()
    client = Redis.from_url(own.redis_url)
    try:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        doctor = await deskbell("doctor", **settings.replaced(redis_url=own.redis_url).environment())
        assert await doctor.ended() == 1
    finally:
        await client.aclose()
        await own.stop()
    assert "AMISS Redis has maxmemory-policy allkeys-lru" in doctor.output


@pytest.fixture
def mail_server() -> Iterator[int]:
    """The port of a mail server that takes anybody's mail."""

    class Polite(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail.example ready\r\n")
            for line in self.rfile:
                leaving = line.upper().startswith(b"QUIT")
                self.wfile.write(b"221 bye\r\n" if leaving else b"250 ok\r\n")
                if leaving:
                    return

    with socketserver.TCPServer(("127.0.0.1", 0), Polite) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
