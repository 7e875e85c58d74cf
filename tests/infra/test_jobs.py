"""Jobs: recorded with their cause, carried out at least once by one process at a time, kept when they fail."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.infra.database import Database
from app.infra.embedded import EmbeddedServers
from app.infra.examination import examine_jobs
from app.infra.jobs import queue
from app.infra.jobs.outcomes import FIRST_PAUSE_S, LONGEST_PAUSE_S, MAX_ATTEMPTS, Again, GiveUp, pause_after
from app.infra.jobs.queue import TakenJob
from app.infra.jobs.runner import Handler, JobRunner, next_night
from app.infra.schema import upgrade
from app.infra.work import Promise, Work, WorkUnits
from app.settings import Settings
from tests.cli.conftest import Deskbell
from tests.cli.conftest import deskbell as deskbell


async def nobody(_: object) -> None:
    """Hears what happened and does nothing."""


def units_of(database: Database, promise: Promise | None = None) -> WorkUnits:
    """Units of work without a clock: a busy machine may take its time."""
    return WorkUnits(database, nobody, patience_s=None, promise=promise)


@asynccontextmanager
async def running(database: Database, do: Handler, processes: int = 1, **more: Any) -> AsyncIterator[list[JobRunner]]:
    """Runners of kind "test", as many as there would be processes."""
    runners = [JobRunner(WorkUnits(database, nobody), {"test": do}, **more) for _ in range(processes)]
    for runner in runners:
        runner.start()
    try:
        yield runners
    finally:
        await asyncio.gather(*(runner.stop(patience_s=5) for runner in runners))


async def put(database: Database, *keys: str, after_s: float = 0) -> list[bool]:
    """Record jobs of kind "test"; tell of each whether it was new."""
    async with units_of(database).begin() as work:
        return [await queue.add(work.session, "test", key, {"key": key}, after_s=after_s) for key in keys]


async def sql(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.sessions() as session:
        result: Any = await session.execute(text(statement), values)
        rows = list(result) if result.returns_rows else []
        await session.commit()
    return rows


async def until(condition: Callable[[], Awaitable[Any]], within_s: float = 90) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def in_state(database: Database, state: str, count: int) -> None:
    """Wait until so many jobs are in a state."""

    async def so_many() -> bool:
        return (await sql(database, "SELECT count(*) FROM job WHERE state = :state", state=state))[0][0] == count

    await until(so_many)


async def without_pauses(database: Database) -> None:
    """Let the pauses of waiting jobs be over."""
    await sql(database, "UPDATE job SET due_at = now() WHERE state = 'queued' AND hold IS NULL")


# What is written down


async def test_a_job_is_recorded_if_and_only_if_its_cause_is(database: Database) -> None:
    units = units_of(database)

    async def undone() -> None:
        async with units.begin() as work:
            assert await queue.add(work.session, "test", "undone", {})
            raise LookupError

    with pytest.raises(LookupError):
        await undone()
    assert await sql(database, "SELECT key FROM job") == []

    async with units.begin() as work:
        await queue.add(work.session, "test", "done", {})
    assert await sql(database, "SELECT key FROM job") == [("done",)]


async def test_what_is_promised_is_written_in_the_transaction_of_its_fact(database: Database) -> None:
    async def promise(work: Work) -> None:
        for fact in work.facts:
            await queue.add(work.session, "test", str(fact), {})
            if fact == "impossible":
                raise LookupError

    units = units_of(database, promise)

    async def happen(fact: str) -> None:
        async with units.begin() as work:
            await queue.add(work.session, "test", f"the cause of {fact}", {})
            work.record(fact)  # type: ignore[arg-type]

    with pytest.raises(LookupError):
        await happen("impossible")
    assert await sql(database, "SELECT key FROM job") == []
    await happen("possible")
    assert await sql(database, "SELECT key FROM job") == [("the cause of possible",), ("possible",)]


async def test_a_key_is_done_once_however_often_it_is_asked_for(database: Database) -> None:
    done: list[str] = []

    async def do(job: TakenJob) -> None:
        done.append(job.key)

    assert await put(database, "a", "a", "b") == [True, False, True]
    async with running(database, do):
        await in_state(database, "done", 2)
        assert await put(database, "a", "c") == [False, True]
        await in_state(database, "done", 3)
    assert sorted(done) == ["a", "b", "c"]


async def test_only_what_was_done_or_failed_long_ago_is_forgotten(database: Database) -> None:
    await put(database, "old", "new", "old failure", "new failure", "waiting")
    for key, state, days in (("old", "done", 8), ("new", "done", 6), ("old failure", "failed", 31)):
        statement = "UPDATE job SET state = :state, ended_at = now() - make_interval(days => :days) WHERE key = :key"
        await sql(database, statement, key=key, state=state, days=days)
    await sql(database, "UPDATE job SET state = 'failed', ended_at = now() WHERE key = 'new failure'")
    async with units_of(database).begin() as work:
        await queue.forget_old(work.session)
    assert sorted(await sql(database, "SELECT key FROM job")) == [("new",), ("new failure",), ("waiting",)]


# Carrying out


async def test_many_processes_do_each_job_once_and_together(database: Database) -> None:
    times: Counter[str] = Counter()
    now_doing: set[str] = set()

    async def do(job: TakenJob) -> None:
        assert job.key not in now_doing
        now_doing.add(job.key)
        await asyncio.sleep(0.01)
        now_doing.remove(job.key)
        times[job.key] += 1

    keys = [f"job {n}" for n in range(60)]
    await put(database, *keys)
    async with running(database, do, processes=4):
        await in_state(database, "done", len(keys))
    assert times == Counter(keys)


async def test_a_job_that_fails_is_tried_again_later_each_time(database: Database) -> None:
    attempts: list[int] = []

    async def do(job: TakenJob) -> None:
        attempts.append(job.attempt)
        if len(attempts) < 3:
            raise OSError(f"not yet, {len(attempts)}\nand a second line")

    await put(database, "a")
    # Had it failed so often, its pauses would be long enough to look at.
    await sql(database, "UPDATE job SET attempts = 10")
    async with running(database, do):
        for attempt, most in ((11, FIRST_PAUSE_S * 2**10), (12, LONGEST_PAUSE_S)):
            await until(lambda: sql(database, "SELECT 1 FROM job WHERE hold IS NULL AND due_at > now()"))
            ((made, error, pause),) = await sql(
                database, "SELECT attempts, error, extract(epoch FROM due_at - now()) FROM job"
            )
            assert (made, error) == (attempt, f"OSError: not yet, {attempt - 10}")
            assert most / 4 < pause <= most
            await without_pauses(database)
        await in_state(database, "done", 1)
    assert attempts == [11, 12, 13]
    assert await sql(database, "SELECT error FROM job") == [(None,)]


async def test_the_last_attempt_is_the_last_and_the_job_is_kept(database: Database) -> None:
    async def do(_: TakenJob) -> None:
        raise OSError("still not")

    await put(database, "a")
    await sql(database, "UPDATE job SET attempts = :n", n=MAX_ATTEMPTS - 1)
    async with running(database, do):
        await in_state(database, "failed", 1)
    assert await sql(database, "SELECT attempts, error FROM job") == [(MAX_ATTEMPTS, "OSError: still not")]


async def test_a_job_that_kills_whoever_takes_it_ends_too(database: Database) -> None:
    async def do(_: TakenJob) -> None:
        raise AssertionError("it must not be tried again")

    await put(database, "a")
    await sql(database, "UPDATE job SET attempts = :n", n=MAX_ATTEMPTS)
    async with running(database, do):
        await in_state(database, "failed", 1)
    assert await sql(database, "SELECT error FROM job") == [("every process that took it died",)]


async def test_what_can_never_succeed_is_not_tried_again_by_itself(database: Database) -> None:
    tried: list[str] = []

    async def do(job: TakenJob) -> None:
        tried.append(job.key)
        if len(tried) == 1:
            raise GiveUp("550 no such user")

    await put(database, "a")
    async with running(database, do):
        await in_state(database, "failed", 1)
        assert await sql(database, "SELECT error, attempts FROM job") == [("550 no such user", 1)]
        assert await put(database, "a") == [False]

        async with units_of(database).begin() as work:
            assert await queue.retry(work.session, None) == 1
        await in_state(database, "done", 1)
    assert tried == ["a", "a"]


async def test_a_job_may_ask_to_come_back(database: Database) -> None:
    attempts: list[int] = []

    async def do(job: TakenJob) -> Again | None:
        attempts.append(job.attempt)
        return Again(0.01) if len(attempts) < 3 else None

    await put(database, "a")
    async with running(database, do):
        await in_state(database, "done", 1)
    assert attempts == [1, 1, 1], "coming back is no failure"


async def test_a_kind_that_this_process_does_not_know_is_left_to_others(database: Database) -> None:
    done: list[str] = []

    async def do(job: TakenJob) -> None:
        done.append(job.kind)

    async with units_of(database).begin() as work:
        await queue.add(work.session, "of a newer version", "x", {})
    await put(database, "a")
    async with running(database, do):
        await in_state(database, "done", 1)
    assert done == ["test"]
    assert await sql(database, "SELECT kind FROM job WHERE state = 'queued'") == [("of a newer version",)]


# Ends of processes


async def test_a_job_whose_lease_ran_out_is_anothers_and_its_first_holder_changes_nothing(database: Database) -> None:
    await put(database, "a")
    units = units_of(database)
    async with units.begin() as work:
        (mine,) = await queue.take(work.session, ["test"], 5)
    async with units.begin() as work:
        assert await queue.take(work.session, ["test"], 5) == [], "it is mine"
        assert await queue.keep(work.session, mine)

    await sql(database, "UPDATE job SET due_at = now()")
    async with units.begin() as work:
        (theirs,) = await queue.take(work.session, ["test"], 5)
    async with units.begin() as work:
        assert not await queue.keep(work.session, mine)
        await queue.end(work.session, mine)
        await queue.postpone(work.session, mine, 3600, 0)
        assert await queue.keep(work.session, theirs)
    async with units.begin() as work:
        await queue.end(work.session, theirs)
    assert await sql(database, "SELECT state, attempts FROM job") == [("done", 2)]


async def test_a_process_that_leaves_hands_back_what_it_cannot_finish(database: Database) -> None:
    begun = asyncio.Event()

    async def do(_: TakenJob) -> None:
        begun.set()
        await asyncio.Event().wait()

    await put(database, "a")
    async with running(database, do) as (runner,):
        await begun.wait()
        await put(database, "b")
        await runner.stop(patience_s=0.1)
        await until(lambda: sql(database, "SELECT 1 FROM job HAVING count(*) FILTER (WHERE hold IS NOT NULL) = 0"))
    rows = await sql(database, "SELECT key, state, attempts, due_at <= now() FROM job ORDER BY key")
    assert rows == [("a", "queued", 0, True), ("b", "queued", 0, True)]


async def test_a_process_that_leaves_finishes_what_it_can(database: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def do(_: TakenJob) -> None:
        begun.set()
        await go_on.wait()

    await put(database, "a")
    async with running(database, do) as (runner,):
        await begun.wait()
        leaving = asyncio.create_task(runner.stop(patience_s=20))
        go_on.set()
        await leaving
    assert await sql(database, "SELECT state, attempts FROM job") == [("done", 1)]


async def test_jobs_go_on_when_postgres_comes_back(directory: Path) -> None:
    """It is killed while a job runs, and again while none does."""
    embedded = EmbeddedServers(directory / "data", redis=False)
    await embedded.start()
    watching: asyncio.Task[object] | None = None
    try:
        await upgrade(embedded.database_url)
        watching = asyncio.ensure_future(embedded.watch())
        database = Database(embedded.database_url)
        begun, go_on, done = asyncio.Event(), asyncio.Event(), list[str]()

        async def do(job: TakenJob) -> None:
            begun.set()
            await go_on.wait()
            done.append(job.key)

        async def kill_postgres() -> None:
            killed = embedded.pids["postgres"]
            os.kill(killed, signal.SIGKILL)

            async def back() -> bool:
                try:
                    return embedded.pids.get("postgres", killed) != killed and bool(await sql(database, "SELECT 1"))
                except Exception:
                    return False

            await until(back)

        async with running(database, do):
            await put(database, "a")
            await begun.wait()
            killing = asyncio.create_task(kill_postgres())
            await asyncio.sleep(0)
            go_on.set()
            await killing
            await in_state(database, "done", 1)
            assert done == ["a"], "what it did was written down when Postgres was back"

            await kill_postgres()
            await put(database, "b")
            await in_state(database, "done", 2)
        await database.close()
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await embedded.stop()


# Times


def test_pauses_double_up_to_an_hour_and_half_of_each_is_chance() -> None:
    def pauses(chance: float) -> list[float]:
        return [pause_after(attempt, lambda: chance) for attempt in range(1, MAX_ATTEMPTS)]

    least, most = pauses(0), pauses(1)
    assert most[:3] == [FIRST_PAUSE_S, FIRST_PAUSE_S * 2, FIRST_PAUSE_S * 4]
    assert max(most) == LONGEST_PAUSE_S
    assert least == [pause / 2 for pause in most]
    assert sum(least) > 5 * 3600, "a mail server may be away for a night's work"


@pytest.mark.parametrize(
    ("now", "night"),
    [
        ("2026-11-22T02:59:59", "2026-11-22T03:00:00"),
        ("2026-11-22T03:00:00", "2026-11-23T03:00:00"),
        ("2026-12-31T12:00:00", "2027-01-01T03:00:00"),
    ],
)
def test_the_next_night_is_at_three(now: str, night: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert next_night(moment) == datetime.fromisoformat(night).replace(tzinfo=UTC)


async def test_a_nightly_job_is_put_down_once_a_night_by_all_processes(database: Database) -> None:
    async def do(_: TakenJob) -> None:
        raise AssertionError("it is not night")

    async def planned() -> bool:
        return bool(await sql(database, "SELECT 1 FROM job"))

    async with running(database, do, processes=3, nightly=["test"]):
        await until(planned)
    ((key, due_at),) = await sql(database, "SELECT key, due_at FROM job")
    assert key == f"test:{due_at:%Y-%m-%d}"
    assert due_at.hour == 3


# What an operator sees


async def test_doctor_tells_of_jobs_that_failed_or_wait_for_nobody(database: Database) -> None:
    async def told() -> list[tuple[bool, str]]:
        return [(finding.fit, finding.text) async for finding in examine_jobs(database.url)]

    await put(database, "good", "bad", "late")
    assert await told() == [(True, "No job has failed; 3 wait for their time.")]

    await sql(database, "UPDATE job SET state = 'failed', ended_at = now() WHERE key = 'bad'")
    await sql(database, "UPDATE job SET due_at = now() - interval '1 hour' WHERE key = 'late'")
    failed, late = await told()
    assert failed == (False, "1 jobs have failed for good: see `deskbell jobs list`.")
    assert late[0] is False
    assert late[1].startswith("1 jobs have waited for over 10 minutes")


async def test_an_operator_sees_what_failed_and_has_it_tried_again(
    settings: Settings, database: Database, deskbell: Deskbell
) -> None:
    async def told(*words: str) -> tuple[int, str]:
        command = await deskbell("jobs", *words, **settings.environment())
        return await command.ended(), command.output

    await put(database, "good", "bad")
    await sql(database, "UPDATE job SET state = 'failed', error = '550 no', ended_at = now() WHERE key = 'bad'")
    ((bad,),) = await sql(database, "SELECT id FROM job WHERE key = 'bad'")

    code, listed = await told("list")
    assert code == 0
    first, *_, last = listed.splitlines()
    assert first.startswith(f"{bad}  failed")
    assert first.endswith("550 no")
    assert last == "1 failed, 1 waiting or running."

    assert await told("retry", str(bad)) == (0, "1 jobs are queued again.\n")
    assert await sql(database, "SELECT state FROM job WHERE key = 'bad'") == [("queued",)]
