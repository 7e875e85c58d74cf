"""The figures as they are printed: one JSON object, or a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from app.bench.orders import Flooded


class Spread(Struct):
    """Milliseconds."""

    p50: float
    p99: float


class Machine(Struct):
    """Where the figures come from.

    Attributes:
        load_before: the machine's load average as the measurement began; others at work show here.
    """

    system: str
    cpus: int
    python: str
    load_before: float


class MessagesRun(Struct):
    """One load.

    Attributes:
        offered_per_s: what the schedule says; in a saturation run what was acknowledged.
        undecided: messages that had neither `ok` nor refusal when patience ended.
        send_late_ms: how late the generator itself was; when this is large, the machine is too small for the rate.
        cpu_us_per_message: processor time by process; `load` is the generator. A process that cannot be seen is null.
        server_cpu_us_per_message: the same, summed over all but the generator.
        floor: the bare floor under the same load, just after it.
        conversations, in_flight, stored: of a saturation run: its shape, and the messages that were stored before.
    """

    offered_per_s: float
    acked_per_s: float
    messages: int
    ack_ms: Spread
    delivery_ms: Spread
    send_late_ms: Spread
    lost: int
    doubled: int
    reordered: int
    undecided: int
    retried: int
    cpu_us_per_message: dict[str, float | None]
    server_cpu_us_per_message: float
    floor: MessagesRun | UnsetType = UNSET
    conversations: int | UnsetType = UNSET
    in_flight: int | UnsetType = UNSET
    stored: int | UnsetType = UNSET


class MessagesFigures(Struct):
    """All of `bench messages`."""

    machine: Machine
    conversations: int
    sockets: int
    seconds: float
    runs: list[MessagesRun]
    saturation: list[MessagesRun]


class Beside(Struct):
    """Milliseconds, without the flood and with it."""

    alone: float
    beside_flood: float


class FairnessFigures(Struct):
    """All of `bench fairness`.

    Attributes:
        conversations, offered_per_s: of the others; what they say together.
        seconds: of each kind, in turns.
        others_p95_ms: from the moment a message was due until the other side had it.
        others_ack_p95_ms: until its `ok`.
        ratio: of others_p95_ms.
        others_lost: messages of the others that were not acknowledged, or not delivered.
        keen: messages stored of the pair that floods as hard as the protocol lets.
        reckless: of the visitor who does not care what the server answers.
    """

    machine: Machine
    conversations: int
    offered_per_s: float
    seconds: float
    others_p95_ms: Beside
    others_ack_p95_ms: Beside
    ratio: float
    others_lost: int
    keen: int
    reckless: Flooded


class IdleFigures(Struct):
    """All of `bench idle`.

    Attributes:
        rss_mb: resident memory of server processes, Postgres and Redis, shared pages counted once.
        kib_per_socket: growth of the server processes alone.
        cpu_share: processor time of all three over wall time; 1 is a whole core.
        opened_per_s: how fast the sockets came in.
    """

    machine: Machine
    sockets: int
    rss_mb: float
    kib_per_socket: float
    cpu_share: float
    opened_per_s: float
    rss_mb_by_process: dict[str, float]
    cpu_share_by_process: dict[str, float]


class ReconnectFigures(Struct):
    """All of `bench reconnect`.

    Attributes:
        spread_s: from the first attempt to come back to the last.
        handshake_ms: from the connection to the snapshot.
        caught_up_s: from the kill until everybody was back and had what was written meanwhile.
        refused: attempts that failed and were repeated.
        missing, doubled, unacknowledged: messages written meanwhile that a visitor never got, got twice, or that
            had no `ok`.
    """

    machine: Machine
    sockets: int
    spread_s: float
    handshake_ms: Spread
    caught_up_s: float
    refused: int
    missing: int
    doubled: int
    unacknowledged: int


class Holding(Struct):
    """What a server process and its Postgres hold.

    Attributes:
        rss_mb: resident memory of both server processes.
        tasks: asyncio tasks of both.
        files: open descriptors of both.
        connections: to Postgres.
    """

    rss_mb: float
    tasks: int
    files: int
    connections: int


class ChurnFigures(Struct):
    """All of `bench churn`: what is held before, half way through and after it; nothing should grow."""

    machine: Machine
    cycles: int
    seconds: float
    before: Holding
    half: Holding
    after: Holding


class PairingRun(Struct):
    """A line of one length.

    Attributes:
        waiting, agents, lanes: as the run began; a few hundred who wait are served in it.
        pairing_ms: one at a time: from an agent's click on "close" until the next visitor and the agent were told.
        stolen_share: of the processors while these were measured, what a hypervisor gave to others: above a hundredth
            the latencies are theirs.
        pairings_per_s, cpu_us_per_pairing: with all agents on stage at it; everything that goes on counts. `load` is
            the measurement itself.
        redis_mb: all that Redis holds.
        rebuild_s: from FLUSHALL, with an agent closing a chat just then, until the index is there again.
        quiet_cpu_share: processor time over wall time while nobody comes and goes.
        missed: offers that ran out before an agent's client confirmed them: above zero the machine was too busy.
        put_off: commands that were answered with `unavailable` and given again: likewise.
    """

    waiting: int
    agents: int
    lanes: int
    pairing_ms: Spread
    stolen_share: float
    pairings_per_s: float
    cpu_us_per_pairing: dict[str, float]
    redis_mb: float
    rebuild_s: float
    quiet_cpu_share: dict[str, float]
    missed: int
    put_off: int


class PairingFigures(Struct):
    """All of `bench pairing`: the longest line, and all of them under `runs`."""

    machine: Machine
    waiting: int
    agents: int
    lanes: int
    pairing_ms: Spread
    pairings_per_s: float
    cpu_us_per_pairing: dict[str, float]
    redis_mb: float
    rebuild_s: float
    runs: list[PairingRun]


def machine() -> Machine:
    """Return what this machine says of itself."""
    return Machine(
        f"{platform.system()} {platform.release()} {platform.machine()}",
        len(os.sched_getaffinity(0)),
        platform.python_version(),
        round(os.getloadavg()[0], 2),
    )


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the 99th percentile (nearest rank); zeros when there is nothing."""
    ordered = sorted(values)
    return Spread(_percentile(ordered, 50), _percentile(ordered, 99))


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile (nearest rank); zero when there is nothing."""
    return _percentile(sorted(values), 95)


def _percentile(ordered: Sequence[float], percent: int) -> float:
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return round(ordered[rank - 1], 2)


def messages_table(figures: MessagesFigures) -> str:
    """Return the runs as a table, the floor's under each."""
    rows: list[Sequence[str]] = [
        (
            "load",
            "acked/s",
            "ack p50",
            "p99 ms",
            "delivery p50",
            "p99 ms",
            "server CPU µs",
            "lost",
            "doubled",
            "reordered",
        )
    ]
    for run in (*figures.runs, *figures.saturation):
        load = f"{run.offered_per_s:g}/s"
        if run.in_flight is not UNSET:
            load = f"{run.conversations} × {run.in_flight}, {run.stored:,} stored"
        rows.append(_row(load, run))
        if run.floor is not UNSET:
            rows.append(_row("floor", run.floor))
    lines = _aligned(rows)
    for run in figures.runs:
        shares = "  ".join(
            f"{name} {'?' if us is None else f'{us:.0f}'}" for name, us in run.cpu_us_per_message.items()
        )
        lines.append(f"{run.offered_per_s:g}/s: CPU µs a message: {shares}")
    return "\n".join(lines)


def _row(load: str, run: MessagesRun) -> list[str]:
    times = (run.ack_ms.p50, run.ack_ms.p99, run.delivery_ms.p50, run.delivery_ms.p99)
    return [
        load,
        f"{run.acked_per_s:.0f}",
        *(f"{ms:.1f}" for ms in times),
        f"{run.server_cpu_us_per_message:.0f}",
        *(str(count) for count in (run.lost, run.doubled, run.reordered)),
    ]


def idle_table(figures: IdleFigures) -> str:
    """Return the figures in words."""
    memory = "  ".join(f"{name} {mb:.0f}" for name, mb in figures.rss_mb_by_process.items())
    cpu = "  ".join(f"{name} {share:.1%}" for name, share in figures.cpu_share_by_process.items())
    return "\n".join(
        [
            f"{figures.sockets} idle sockets, opened at {figures.opened_per_s:.0f}/s",
            f"memory  {figures.rss_mb:.0f} MB ({memory}); {figures.kib_per_socket:.1f} KiB a socket",
            f"CPU     {figures.cpu_share:.1%} of a core ({cpu})",
        ]
    )


def fairness_table(figures: FairnessFigures) -> str:
    """Return the figures in words."""
    delivery, ack, reckless = figures.others_p95_ms, figures.others_ack_p95_ms, figures.reckless
    return "\n".join(
        [
            f"{figures.conversations} conversations, {figures.offered_per_s:g} messages/s together: p95 of delivery "
            f"{delivery.alone:.1f} ms, beside the flood {delivery.beside_flood:.1f} ms: {figures.ratio:.2f} x",
            f"p95 of ok {ack.alone:.1f} ms, beside the flood {ack.beside_flood:.1f} ms; lost {figures.others_lost}",
            f"keen: {figures.keen} messages; reckless: {reckless.sent} sent, {reckless.taken} taken, "
            f"{reckless.refused} refused, sent away {reckless.sent_away} times",
        ]
    )


def reconnect_table(figures: ReconnectFigures) -> str:
    """Return the figures in words."""
    times = figures.handshake_ms
    return "\n".join(
        [
            f"{figures.sockets} sockets came back over {figures.spread_s:.1f} s; {figures.refused} tried again",
            f"handshake p50 {times.p50:.0f} ms, p99 {times.p99:.0f} ms; all caught up in {figures.caught_up_s:.1f} s",
            f"missing {figures.missing}, doubled {figures.doubled}, unacknowledged {figures.unacknowledged}",
        ]
    )


def churn_table(figures: ChurnFigures) -> str:
    """Return the figures as a table."""
    rows: list[Sequence[str]] = [("", "MB", "tasks", "files", "database connections")]
    for name, held in (("before", figures.before), ("half way", figures.half), ("after", figures.after)):
        rows.append([name, f"{held.rss_mb:.1f}", str(held.tasks), str(held.files), str(held.connections)])
    return "\n".join([f"{figures.cycles} sockets opened and reset in {figures.seconds:.0f} s", *_aligned(rows)])


def pairing_table(figures: PairingFigures) -> str:
    """Return the runs as a table."""
    rows: list[Sequence[str]] = [("waiting", "p50", "p99 ms", "a second", "server CPU µs", "Redis MB", "rebuild s")]
    for run in figures.runs:
        server_us = sum(us for name, us in run.cpu_us_per_pairing.items() if name != "load")
        times = [f"{run.pairing_ms.p50:.1f}", f"{run.pairing_ms.p99:.1f}", f"{run.pairings_per_s:.0f}"]
        rows.append([f"{run.waiting:,}", *times, f"{server_us:.0f}", f"{run.redis_mb:.1f}", f"{run.rebuild_s:.2f}"])
    return "\n".join([f"{figures.agents} agents, {figures.lanes} lanes", *_aligned(rows)])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
