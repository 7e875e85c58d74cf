"""What an operator asks when something is wrong: is each thing that Deskbell needs there, and fit?"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiosmtplib
import asyncpg
import websockets
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.infra.database import Database, asyncpg_url
from app.infra.embedded.binaries import OLDEST_POSTGRES, OLDEST_REDIS
from app.infra.jobs import queue
from app.infra.mail import MailServer
from app.infra.redis import connect
from app.infra.schema import schema_state

PATIENCE = 10.0
"""Seconds for each thing to answer."""
SUBPROTOCOL = "deskbell.v1"


@dataclass(frozen=True)
class Finding:
    """One sentence about one thing, and whether it is as it must be."""

    fit: bool
    text: str


async def examine_database(url: str) -> AsyncIterator[Finding]:
    """Reachable, new enough, durable, and at the newest revision of the schema."""
    try:
        connection = await asyncpg.connect(asyncpg_url(url), timeout=PATIENCE)
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        yield Finding(False, f"The database cannot be reached: {_words(error)}. See DESKBELL_DATABASE_URL.")
        return
    try:
        fit = connection.get_server_version().major >= OLDEST_POSTGRES
        version = str(await connection.fetchval("SELECT current_setting('server_version')")).split()[0]
        yield Finding(fit, f"PostgreSQL {version} answers; {OLDEST_POSTGRES} or newer is needed.")
        for name in ("fsync", "synchronous_commit"):
            value = str(await connection.fetchval("SELECT current_setting($1)", name))
            yield Finding(value != "off", f"PostgreSQL has {name} = {value}; off would lose acknowledged messages.")
    finally:
        await connection.close()
    state = await schema_state(url)
    if state.up_to_date:
        yield Finding(True, f"The schema is at revision {state.head}, the newest.")
    elif state.later:
        yield Finding(True, f"The schema is at revision {state.current}, of a later release than this.")
    else:
        found = state.current or "none"
        yield Finding(False, f"The schema is at revision {found}, not {state.head}: run `deskbell migrate`.")


async def examine_redis(url: str) -> AsyncIterator[Finding]:
    """Reachable, new enough, and never evicting keys."""
    client = connect(url, connections=1)
    try:
        about = await client.info("server")
        version = str(about.get("valkey_version") or about["redis_version"])
        name = "Valkey" if "valkey_version" in about else "Redis"
        fit = int(version.split(".")[0]) >= OLDEST_REDIS
        yield Finding(fit, f"{name} {version} answers; Redis {OLDEST_REDIS} or newer, or Valkey, is needed.")
        if about.get("redis_mode") == "cluster" and "+cluster://" not in url:
            yield Finding(
                False, "That Redis is a node of a cluster: let DESKBELL_REDIS_URL begin with redis+cluster://."
            )
        policy = str((await client.info("memory")).get("maxmemory_policy"))
        yield Finding(
            policy == "noeviction",
            f"Redis has maxmemory-policy {policy}; noeviction is needed, or parts of the queue would vanish.",
        )
    except (RedisError, OSError, TimeoutError) as error:
        yield Finding(False, f"Redis cannot be reached: {_words(error)}. See DESKBELL_REDIS_URL.")
    finally:
        await client.aclose()


async def examine_websocket(public_url: str) -> AsyncIterator[Finding]:
    """Whether a socket opens at the address that browsers use, through any proxy before Deskbell."""
    address = public_url.replace("http", "ws", 1) + "/ws"
    try:
        async with websockets.connect(
            address,
            origin=websockets.Origin(public_url),
            subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
            open_timeout=PATIENCE,
            close_timeout=1,
        ) as socket:
            agreed = socket.subprotocol == SUBPROTOCOL
        yield Finding(agreed, f"A WebSocket opens at {address}.")
    except websockets.InvalidStatus as error:
        code = error.response.status_code
        yield Finding(
            False,
            f"{address} answers {code}, not with a WebSocket: the proxy must pass the headers Upgrade, Connection, "
            "Host and Origin on, and DESKBELL_PUBLIC_URL must be what browsers see.",
        )
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        yield Finding(False, f"Nothing to open a WebSocket at {address}: {_words(error)}. Does Deskbell run?")


async def examine_mail(url: str, sender: str) -> AsyncIterator[Finding]:
    """Whether the mail server takes our name and password."""
    host = urlsplit(url).hostname
    try:
        await MailServer(url, sender).greet()
    except (OSError, TimeoutError, aiosmtplib.SMTPException) as error:
        yield Finding(False, f"The mail server {host} refuses: {_words(error)}. See DESKBELL_MAIL_URL.")
    else:
        yield Finding(True, f"The mail server {host} takes mail from us, as {sender}.")


async def examine_jobs(url: str) -> AsyncIterator[Finding]:
    """Whether jobs are carried out. Silent about a database without the table: `examine_database` says why."""
    database = Database(url, pool_size=4)
    try:
        async with database.sessions() as session:
            counts = await queue.counts(session)
    except (OSError, SQLAlchemyError, PoolTimeout):
        return
    finally:
        await database.close()
    if counts.failed:
        yield Finding(False, f"{counts.failed} jobs have failed for good: see `deskbell jobs list`.")
    if counts.late:
        yield Finding(
            False,
            f"{counts.late} jobs have waited for over {queue.LATE_S // 60} minutes: does Deskbell run? "
            "(Mail waits while DESKBELL_MAIL_URL is not set.)",
        )
    if not counts.failed and not counts.late:
        yield Finding(True, f"No job has failed; {counts.queued} wait for their time.")


def _words(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
