"""`deskbell bench` at a tiny size: what it prints, and that nothing is lost. How fast it is, is not asked here."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from app.bench.exactness import Exactness, compare
from app.bench.orders import Heard, Said
from tests.conftest import FreshDatabase


@pytest.mark.slow
async def test_messages_on_servers_of_its_own_beside_the_floor() -> None:
    figures = await measured(
        *("messages", "--rates", "60", "--seconds", "1", "--warm-up", "0.3", "--conversations", "6"),
        *("--sockets", "20", "--saturation", "1x40", "--saturation-seconds", "0.5", "--stored", "500"),
    )

    assert figures["machine"].keys() == {"system", "cpus", "python", "load_before"}
    assert (figures["conversations"], figures["sockets"], figures["seconds"]) == (6, 20, 1)
    [run], [empty, full] = figures["runs"], figures["saturation"]
    assert run["offered_per_s"] == run["messages"] == 60
    for load in (empty, full):
        assert (load["conversations"], load["in_flight"]) == (1, 40)
    assert (empty["stored"], full["stored"]) == (0, 500)
    for one in (run, empty, full):
        for program in (one, one["floor"]):
            assert program["acked_per_s"] > 0
            assert 0 <= program["send_late_ms"]["p50"] <= program["send_late_ms"]["p99"]
            for name in ("ack_ms", "delivery_ms"):
                assert 0 < program[name]["p50"] <= program[name]["p99"], name
            assert program["cpu_us_per_message"].keys() == {"worker_a", "worker_b", "postgres", "redis", "load"}
            assert all(us >= 0 for us in program["cpu_us_per_message"].values())
            assert program["server_cpu_us_per_message"] > 0
            assert [program[name] for name in ("lost", "doubled", "undecided")] == [0, 0, 0]
        # Order over two windows is what the floor does without.
        assert one["reordered"] == 0


@pytest.mark.slow
async def test_fairness_beside_people_who_flood() -> None:
    figures = await measured(
        *("fairness", "--conversations", "4", "--rate", "20", "--seconds", "1", "--turns", "1"),
    )

    assert (figures["conversations"], figures["offered_per_s"], figures["seconds"]) == (4, 20, 1)
    for name in ("others_p95_ms", "others_ack_p95_ms"):
        assert figures[name].keys() == {"alone", "beside_flood"}
        assert min(figures[name].values()) > 0
    assert figures["ratio"] > 0
    assert figures["others_lost"] == 0
    assert figures["keen"] > 0
    assert figures["reckless"]["sent"] > figures["reckless"]["taken"] > 0
    assert figures["reckless"]["refused"] > 0


@pytest.mark.slow
async def test_idle_on_the_configured_servers(fresh_database: FreshDatabase, redis_url: str) -> None:
    servers = {"DESKBELL_DATABASE_URL": await fresh_database(), "DESKBELL_REDIS_URL": redis_url}

    figures = await measured("idle", "--sockets", "20", "--seconds", "1", "--use-configured", **servers)

    assert figures["sockets"] == 20
    assert figures["rss_mb"] > 0
    assert figures["cpu_share"] >= 0
    assert {"kib_per_socket", "opened_per_s"} < figures.keys()
    # Those servers are somebody else's processes.
    assert figures["rss_mb_by_process"].keys() == {"worker_a", "worker_b"}


@pytest.mark.slow
async def test_nothing_stays_of_sockets_that_break_off() -> None:
    figures = await measured("churn", "--cycles", "300")

    assert figures["cycles"] == 300
    for kind in ("tasks", "files", "connections"):
        # The pool of connections to Postgres may still grow to its size, and a lease be renewed just now.
        room = 20 if kind == "connections" else 10
        assert figures["after"][kind] <= figures["before"][kind] + room, kind


@pytest.mark.slow
async def test_visitors_come_back_when_their_process_dies_and_redis_has_forgotten_all() -> None:
    figures = await measured("reconnect", "--sockets", "20")

    assert figures["sockets"] == 20
    assert 0 < figures["handshake_ms"]["p50"] <= figures["handshake_ms"]["p99"]
    assert figures["spread_s"] > 0
    assert figures["caught_up_s"] > 0
    assert [figures[name] for name in ("missing", "doubled", "unacknowledged")] == [0, 0, 0]


@pytest.mark.slow
async def test_agents_are_given_the_next_in_line() -> None:
    figures = await measured("pairing", "--waiting", "30", "--agents", "12", "--lanes", "3")

    [run] = figures["runs"]
    assert (run["waiting"], run["agents"], run["lanes"]) == (30, 12, 3)
    assert 0 < run["pairing_ms"]["p50"] <= run["pairing_ms"]["p99"]
    assert run["cpu_us_per_pairing"].keys() == {"worker_a", "worker_b", "postgres", "redis", "load"}
    assert run["pairings_per_s"] > 0
    assert run["redis_mb"] > 0
    assert run["rebuild_s"] > 0
    assert run.items() >= {name: value for name, value in figures.items() if name not in ("machine", "runs")}.items()


def test_exactness_finds_each_kind_of_fault() -> None:
    vera, ana = 0, 1
    said = [Said(0, vera, 1), Said(0, ana, 2), Said(0, vera, 3)]
    stored = {0: [(1, 0), (2, 1), (3, 2)]}

    def heard(by_vera: list[tuple[int, int]], by_ana: list[tuple[int, int]]) -> list[Heard]:
        return [Heard(0, vera, by_vera), Heard(0, ana, by_ana)]

    whole = [(1, 0), (2, 1), (3, 2)]
    assert compare(said, heard(whole, whole), stored) == Exactness()
    assert compare(said, heard(whole, whole[:2]), stored) == Exactness(lost=1)
    assert compare(said, heard(whole, []), stored) == Exactness(lost=3)
    assert compare(said, heard(whole, whole), {0: whole[:2]}) == Exactness(lost=1)
    assert compare(said, heard([*whole, (3, 2)], whole), stored) == Exactness(doubled=1)
    assert compare(said, heard([(1, 0), (3, 2), (2, 1)], whole), stored).reordered > 0
    assert compare(said, heard(whole, whole), {0: [*whole, (4, 2)]}) == Exactness(doubled=1)
    swapped = [Said(0, vera, 3), Said(0, ana, 2), Said(0, vera, 1)]
    other = [(1, 2), (2, 1), (3, 0)]
    assert compare(swapped, heard(other, other), {0: other}) == Exactness(reordered=1)


async def measured(*arguments: str, **variables: str) -> dict[str, Any]:
    """Run the command as an operator would; return the object on the last line of its output."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DESKBELL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        "bench",
        *arguments,
        "--json",
        env={**others, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, words = await process.communicate()
    assert process.returncode == 0, words.decode()
    return json.loads(output.decode().splitlines()[-1])
