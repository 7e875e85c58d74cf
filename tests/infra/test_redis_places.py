"""Which server an address leads to: one, the node of a cluster that owns our keys, or what sentinels watch."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Connection, SSLConnection
from redis.exceptions import RedisError

from app.infra.keys import Keys
from app.infra.redis import connect
from app.infra.redis_places import Elsewhere, Places
from tests.redis_nodes import Cluster, a_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with a_cluster(replicas=1) as cluster:
        yield cluster


async def test_every_node_leads_to_the_owner(cluster: Cluster) -> None:
    for node in (*cluster.primaries, *cluster.replicas):
        places = Places(f"redis+cluster://127.0.0.1:{node.port}")
        assert await places.find() == ("127.0.0.1", cluster.owner.port)


async def test_nodes_that_do_not_answer_are_passed_over(cluster: Cluster) -> None:
    places = Places(f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.owner.port}")
    assert await places.find() == ("127.0.0.1", cluster.owner.port)
    with pytest.raises(RedisError):
        await Places("redis+cluster://127.0.0.1:1").find()


async def test_a_command_follows_when_another_node_takes_over(cluster: Cluster, redis_prefix: str) -> None:
    places, keys = Places(cluster.url), Keys(redis_prefix)
    redis = connect(places, connections=3)
    try:
        await redis.set(keys.epoch(), "1")
        turn = places.turn
        # As if it had been the owner until a moment ago: it answers MOVED.
        other = next(node for node in cluster.primaries if node is not cluster.owner)
        places.forget(turn)
        places._found = ("127.0.0.1", other.port)
        assert await redis.get(keys.epoch()) == b"1"
        assert await places.find() == ("127.0.0.1", cluster.owner.port)
        assert places.turn == turn + 2
        # A connection that was open before goes to the new place, too.
        pipeline = redis.pipeline(transaction=False)
        pipeline.get(keys.epoch())
        assert await pipeline.execute() == [b"1"]
    finally:
        await redis.aclose()


async def test_who_is_sent_on_twice_hears_of_it(cluster: Cluster, redis_prefix: str) -> None:
    """An address of one server, although it is a node: it cannot be followed."""
    other = next(node for node in cluster.primaries if node is not cluster.owner)
    redis = connect(f"redis://127.0.0.1:{other.port}")
    try:
        with pytest.raises(RedisError) as caught:
            await redis.get(Keys(redis_prefix).epoch())
        assert not isinstance(caught.value, Elsewhere)
    finally:
        await redis.aclose()


def test_what_an_address_says_beside_the_servers() -> None:
    plain = Places("redis://ada:secret@desk:6380/3").connection_options(socket_timeout=2)
    expected = {"host": "desk", "port": 6380, "db": 3, "username": "ada", "password": "secret", "socket_timeout": 2}
    assert {name: plain[name] for name in expected} == expected
    assert "connection_class" not in plain

    cluster = Places("redis+cluster://ada:secret@a,b:7000").connection_options()
    assert (cluster["username"], cluster["password"]) == ("ada", "secret")
    assert issubclass(cluster["connection_class"], Connection)
    sentinels = Places("rediss+sentinel://a,b:7000/desk?db=2").connection_options()
    assert sentinels["db"] == 2
    assert issubclass(sentinels["connection_class"], SSLConnection)


@pytest.mark.parametrize("address", ["redis+cluster://", "redis+sentinel://a:26379", "redis+sentinel:///name"])
def test_an_address_without_a_server_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        Places(address)
