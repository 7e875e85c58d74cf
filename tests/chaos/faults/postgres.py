"""Postgres that restarts, refuses, hangs, or whose replies are lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.infra.database import asyncpg_url
from tests.chaos.faults import Field, fault


@fault("postgres.restart", 0.5, 2)
async def restart(field: Field) -> AsyncIterator[None]:
    """Postgres is restarted (fast shutdown)."""
    async with _gone(field, signal.SIGINT, "postgres.restart"):
        yield


@fault("postgres.crash", 0.5, 2)
async def crash(field: Field) -> AsyncIterator[None]:
    """Postgres ends at once (immediate shutdown) and recovers from its log."""
    async with _gone(field, signal.SIGQUIT, "postgres.crash"):
        yield


@asynccontextmanager
async def _gone(field: Field, number: signal.Signals, name: str) -> AsyncIterator[None]:
    ended = await field.house.end("postgres", number)
    try:
        async with field.away("postgres", name):
            yield
    finally:
        await field.house.revive("postgres", ended)


@fault("postgres.terminate", 0.5, 1.5)
async def terminate(field: Field) -> AsyncIterator[None]:
    """An operator ends every connection, again and again."""
    ending = asyncio.create_task(_terminate_for_ever(field))
    try:
        yield
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


async def _terminate_for_ever(field: Field) -> None:
    while True:
        await field.house.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.3)


@fault("postgres.locks", 1, 4)
async def locks(field: Field) -> AsyncIterator[None]:
    """Somebody holds locks on half of the conversations and on an agent."""
    connection = await asyncpg.connect(asyncpg_url(field.house.embedded.database_url))
    try:
        async with connection.transaction():
            some = field.chance.sample(field.scene.visitor_ids, len(field.scene.visitor_ids) // 2)
            await connection.execute(
                "SELECT 1 FROM conversation WHERE visitor_id = ANY ($1) ORDER BY id FOR UPDATE", some
            )
            await connection.execute("SELECT 1 FROM agent WHERE id = $1 FOR UPDATE", field.scene.agent_ids[0])
            yield
    finally:
        await connection.close()


@fault("postgres.read_only", 1, 3)
async def read_only(field: Field) -> AsyncIterator[None]:
    """Every transaction is read-only."""
    await _alter(field, "ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await _alter(field, "ALTER SYSTEM RESET default_transaction_read_only")


async def _alter(field: Field, statement: str) -> None:
    connection = await asyncpg.connect(asyncpg_url(field.house.embedded.database_url))
    try:
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@fault("postgres.disk_full", 1, 3)
async def disk_full(field: Field) -> AsyncIterator[None]:
    """Messages are refused with the error of a full disk, 53100. (A trigger gives it; no real disk is filled.)"""
    await field.house.sql("UPDATE chaos_disk SET is_full = true")
    try:
        yield
    finally:
        await field.house.sql("UPDATE chaos_disk SET is_full = false")


@fault("postgres.black_hole", 2, 5)
async def black_hole(field: Field) -> AsyncIterator[None]:
    """What is said to Postgres arrives nowhere, and nothing says so."""
    for gateway in field.house.gateways:
        gateway.to_postgres.change(black_hole=True)
    try:
        yield
    finally:
        for gateway in field.house.gateways:
            gateway.to_postgres.calm()


@fault("postgres.split", 2, 6)
async def split(field: Field) -> AsyncIterator[None]:
    """One server process alone is cut off from Postgres."""
    gateway = field.some_gateway()
    gateway.to_postgres.change(black_hole=True)
    try:
        yield
    finally:
        gateway.to_postgres.calm()


@fault("postgres.slow", 1, 3)
async def slow(field: Field) -> AsyncIterator[None]:
    """Every word to and from Postgres takes a tenth of a second."""
    for gateway in field.house.gateways:
        gateway.to_postgres.change(latency_s=0.1)
    try:
        yield
    finally:
        for gateway in field.house.gateways:
            gateway.to_postgres.calm()


@fault("postgres.reply_lost", 0.3, 1)
async def reply_lost(field: Field) -> AsyncIterator[None]:
    """Postgres commits, but its replies are lost; then the connections break: nobody knows what was committed."""
    for gateway in field.house.gateways:
        gateway.to_postgres.drop_replies()
    yield
    for gateway in field.house.gateways:
        gateway.to_postgres.reset()


@fault("postgres.cut", 1, 2)
async def cut(field: Field) -> AsyncIterator[None]:
    """Connections break in the middle of a request or a reply, again and again."""
    for _ in range(3):
        for gateway in field.house.gateways:
            gateway.to_postgres.cut_after(field.chance.randint(1, 2000), field.chance.choice(("up", "down")))
        await asyncio.sleep(0.3)
    yield
