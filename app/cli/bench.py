"""`deskbell bench`"""

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
import typer

from app.cli.ending import WRONG_SETTING, fail, settings_or_exit
from app.infra.embedded import EmbeddedError
from app.infra.logs import configure_logs
from app.settings import Settings

SPARE_DESCRIPTORS = 500
Figures = TypeVar("Figures", bound=msgspec.Struct)

bench = typer.Typer(help="Measure how much this machine carries, on servers of its own.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line.")]
UseConfigured = Annotated[
    bool,
    typer.Option(
        "--use-configured",
        help="Use DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL; the database must be kept for this.",
    ),
]


@bench.command()
def messages(
    rates: Annotated[str, typer.Option(help="Messages offered a second, one run each.")] = "200,1000,2000,4000",
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a run.")] = 8,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds at the same load before each.")] = 2,
    conversations: Annotated[int, typer.Option(min=1, help="Active ones, each with a visitor and an agent.")] = 1000,
    sockets: Annotated[int, typer.Option(min=0, help="At least so many: idle visitors fill up.")] = 2000,
    saturation: Annotated[
        str, typer.Option(help="Conversations x messages of each always in flight, one run each; empty: none.")
    ] = "1x64,50x4,200x1",
    saturation_seconds: Annotated[float, typer.Option(min=0.5, help="Length of such a run.")] = 4,
    stored: Annotated[
        int, typer.Option(min=0, help="Repeat the saturation runs with so many messages stored; 0: do not.")
    ] = 1_000_000,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """Offer durable messages at given rates, then as many as are taken; beside the bare floor. About five minutes."""
    # Here, not above: the other commands do without all this.
    from app.bench.figures import messages_table
    from app.bench.messages import Plan, bench_messages

    if not re.fullmatch(r"0*[1-9]\d*(,0*[1-9]\d*)*", rates):
        raise fail("--rates wants whole numbers above zero, by commas: 200,1000.", WRONG_SETTING)
    if not re.fullmatch(r"([1-9]\d*x[1-9]\d*(,[1-9]\d*x[1-9]\d*)*)?", saturation):
        raise fail("--saturation wants conversations x messages in flight, by commas: 1x64,50x4.", WRONG_SETTING)
    shapes = [
        (int(left), int(right)) for left, _, right in (shape.partition("x") for shape in saturation.split(",") if shape)
    ]
    plan = Plan(
        [int(rate) for rate in rates.split(",")],
        seconds,
        warm_up,
        conversations,
        sockets,
        shapes,
        saturation_seconds,
        stored if shapes else 0,
    )
    _show(
        lambda settings: bench_messages(settings, plan, configured=use_configured, tell=_tell),
        messages_table,
        as_json,
    )


@bench.command()
def fairness(
    conversations: Annotated[int, typer.Option(min=1, help="Ordinary ones, each with a visitor and an agent.")] = 200,
    rate: Annotated[int, typer.Option(min=1, help="Messages a second that they say together.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a turn.")] = 6,
    turns: Annotated[int, typer.Option(min=1, help="Alone and beside the flood, so many times each.")] = 4,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """See whether people who flood make others wait. About a minute and a half."""
    from app.bench.fairness import Plan, bench_fairness
    from app.bench.figures import fairness_table

    plan = Plan(conversations, rate, seconds, turns)
    _show(
        lambda settings: bench_fairness(settings, plan, configured=use_configured, tell=_tell),
        fairness_table,
        as_json,
    )


@bench.command()
def idle(
    sockets: Annotated[int, typer.Option(min=0, help="How many; 0: 10,000, or as many as may be opened.")] = 0,
    seconds: Annotated[float, typer.Option(min=1, help="How long to watch them.")] = 30,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """Open sockets that say nothing, and see what they cost."""
    from app.bench.figures import idle_table
    from app.bench.ground import raise_descriptor_limit
    from app.bench.idle import bench_idle

    most = raise_descriptor_limit() - SPARE_DESCRIPTORS
    if sockets > most:
        raise fail(f"A process here may open {most} sockets: raise the limit (ulimit -n).", WRONG_SETTING)
    count = sockets or min(10_000, most)
    _show(
        lambda settings: bench_idle(settings, count, seconds, configured=use_configured, tell=_tell),
        idle_table,
        as_json,
    )


@bench.command()
def reconnect(
    sockets: Annotated[int, typer.Option(min=1, help="Visitors who lose their server process.")] = 2000,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """Kill a server process while Redis has forgotten everything; see its visitors come back to the other."""
    from app.bench.figures import reconnect_table
    from app.bench.reconnect import bench_reconnect

    _show(
        lambda settings: bench_reconnect(settings, sockets, configured=use_configured, tell=_tell),
        reconnect_table,
        as_json,
    )


@bench.command()
def churn(
    cycles: Annotated[int, typer.Option(min=1, help="Sockets opened and reset.")] = 20_000,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """Open sockets and break them off; see that nothing of them stays."""
    from app.bench.churn import bench_churn
    from app.bench.figures import churn_table

    _show(lambda settings: bench_churn(settings, cycles, configured=use_configured, tell=_tell), churn_table, as_json)


@bench.command()
def pairing(
    waiting: Annotated[
        int, typer.Option(min=10, help="Visitors in line; 1,000 and 10,000 are measured beside.")
    ] = 100_000,
    agents: Annotated[int, typer.Option(min=1, help="Agents who are there.")] = 1000,
    lanes: Annotated[int, typer.Option(min=1, help="Teams with a line each.")] = 50,
    use_configured: UseConfigured = False,
    as_json: AsJson = False,
) -> None:
    """Free agents one by one and all at once; see how long the next visitor takes, and how that grows with the line."""
    from app.bench.figures import pairing_table
    from app.bench.pairing import bench_pairing

    _show(
        lambda settings: bench_pairing(settings, waiting, agents, lanes, configured=use_configured, tell=_tell),
        pairing_table,
        as_json,
    )


def _show(measure: Callable[[Settings], Awaitable[Figures]], table: Callable[[Figures], str], as_json: bool) -> None:
    from app.bench.ground import BenchError

    settings = settings_or_exit()
    configure_logs("warning", settings.log_format)

    async def measured() -> Figures:
        work = asyncio.ensure_future(measure(settings))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        return await work

    try:
        figures = asyncio.run(measured())
    except (BenchError, EmbeddedError) as error:
        raise fail(str(error)) from None
    except asyncio.CancelledError:
        raise fail("the measurement was stopped.") from None
    typer.echo(msgspec.json.encode(figures).decode() if as_json else table(figures))


def _tell(text: str) -> None:
    typer.echo(f"bench: {text}", err=True)
