"""Redis that forgets, dies, sleeps, refuses to write, or cannot be reached."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

from tests.chaos.crowd import a_crowd, back_again
from tests.chaos.faults import Field, fault

CROWD = 120


@fault("redis.flushall", 1, 2)
async def flushall(field: Field) -> AsyncIterator[None]:
    """Redis forgets everything, twice."""
    async with field.house.redis() as redis:
        await redis.flushall()
        yield
        await redis.flushall()


@fault("redis.kill", 1, 3)
async def kill(field: Field) -> AsyncIterator[None]:
    """Redis is killed with SIGKILL, and started again, empty."""
    ended = await field.house.end("redis", signal.SIGKILL)
    try:
        async with field.away("redis", "redis.kill"):
            yield
    finally:
        await field.house.revive("redis", ended)


@fault("redis.sleep", 3, 6)
async def sleep(field: Field) -> AsyncIterator[None]:
    """Redis is stopped, and goes on later as if nothing had been."""
    field.house.signal("redis", signal.SIGSTOP)
    try:
        async with field.away("redis", "redis.sleep"):
            yield
    finally:
        field.house.signal("redis", signal.SIGCONT)


@fault("redis.read_only", 1.5, 3)
async def read_only(field: Field) -> AsyncIterator[None]:
    """Redis becomes the replica of a server that does not exist: it can be read, and refuses every write."""
    async with field.house.redis() as redis:
        await redis.replicaof("127.0.0.1", "1")
        try:
            yield
        finally:
            await redis.replicaof("NO", "ONE")


@fault("redis.no_replicas", 1.5, 3)
async def no_replicas(field: Field) -> AsyncIterator[None]:
    """Redis refuses writes because too few replicas are there."""
    async with field.house.redis() as redis:
        await redis.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            await redis.config_set("min-replicas-to-write", 0)


@fault("redis.full", 1.5, 3)
async def full(field: Field) -> AsyncIterator[None]:
    """Redis has no memory left, and evicts nothing."""
    async with field.house.redis() as redis:
        before = (await redis.config_get("maxmemory"))["maxmemory"]
        await redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            await redis.config_set("maxmemory", before)


@fault("redis.black_hole", 2, 5)
async def black_hole(field: Field) -> AsyncIterator[None]:
    """What is said to Redis arrives nowhere, and nothing says so."""
    for gateway in field.house.gateways:
        gateway.to_redis.change(black_hole=True)
    try:
        async with field.away("redis", "redis.black_hole"):
            yield
    finally:
        for gateway in field.house.gateways:
            gateway.to_redis.calm()


@fault("redis.split", 3, 6)
async def split(field: Field) -> AsyncIterator[None]:
    """One server process alone is cut off from Redis."""
    gateway = field.some_gateway()
    gateway.to_redis.change(black_hole=True)
    try:
        yield
    finally:
        gateway.to_redis.calm()


@fault("redis.reply_lost", 0.5, 1)
async def reply_lost(field: Field) -> AsyncIterator[None]:
    """Redis does what it is told, but its replies are lost; then the connections break."""
    for gateway in field.house.gateways:
        gateway.to_redis.drop_replies()
    yield
    for gateway in field.house.gateways:
        gateway.to_redis.reset()
    await asyncio.sleep(0)


@fault("redis.cold_rush", 0, 0)
async def cold_rush(field: Field) -> AsyncIterator[None]:
    """Redis forgets everything, and in the same moment a crowd and everybody else are thrown out and come back."""
    async with a_crowd(field.house, field.scene, CROWD, field.chance) as crowd:
        async with field.house.redis() as redis:
            await redis.flushall()
        for gateway in field.house.gateways:
            gateway.door.reset()
        yield
        await back_again(crowd)
