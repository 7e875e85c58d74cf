"""`deskbell simulate`"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import typer

from app.cli.ending import WRONG_SETTING, fail
from app.cli.offline_work import offline_work
from app.cli.servers import run_with_servers
from app.settings import Settings
from app.simulation.arrivals import DAY_S, Demand, drawn
from app.simulation.comparison import Scene, compare
from app.simulation.figures import table
from app.simulation.policy import Policy, policy_of
from app.simulation.recorded import KnownTeam, known_team, members, recorded_arrivals, who_was_there
from app.simulation.staff import ALWAYS, Impossible, Shift, Worker, daily, worker_of

MOST_ARRIVALS = 1_000_000
USUAL_AGENTS = 5
_RECORDED = "Recorded arrivals"
_DRAWN = "Arrivals by chance (without --from)"
_STAFF = "Who answers"
_RULES = "What is compared"
_OUTPUT = "Output"


def simulate(
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC) to replay.", rich_help_panel=_RECORDED),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; else only one.", rich_help_panel=_RECORDED),
    ] = None,
    team: Annotated[
        str | None,
        typer.Option(help="A team of this database: its arrivals, its agents, its rules.", rich_help_panel=_RECORDED),
    ] = None,
    rate: Annotated[
        str,
        typer.Option(help="Arrivals an hour: one number, or 24 by commas, from midnight.", rich_help_panel=_DRAWN),
    ] = "60",
    hours: Annotated[
        float, typer.Option(min=0.1, max=24 * 366, help="For how long they come.", rich_help_panel=_DRAWN)
    ] = 24,
    patience: Annotated[
        float, typer.Option(min=0, help="Mean seconds before giving up; 0: nobody does.", rich_help_panel=_DRAWN)
    ] = 300,
    handle: Annotated[float, typer.Option(min=1, help="Mean seconds of a chat.", rich_help_panel=_DRAWN)] = 480,
    handle_sd: Annotated[
        float | None,
        typer.Option(min=1, help="Their deviation (lognormal); not given: exponential.", rich_help_panel=_DRAWN),
    ] = None,
    skill_share: Annotated[
        float, typer.Option(min=0, max=1, help="How many need a skill.", rich_help_panel=_DRAWN)
    ] = 0,
    skill: Annotated[str, typer.Option(help="Which one.", rich_help_panel=_DRAWN)] = "de",
    returning: Annotated[
        float, typer.Option(min=0, max=1, help="How many come for another time.", rich_help_panel=_DRAWN)
    ] = 0,
    priority_share: Annotated[
        float, typer.Option(min=0, max=1, help="How many have priority.", rich_help_panel=_DRAWN)
    ] = 0,
    boost: Annotated[
        int, typer.Option(min=0, max=900, help="What it is worth, in seconds.", rich_help_panel=_DRAWN)
    ] = 60,
    agents: Annotated[
        int | None, typer.Option(min=1, max=1000, help="So many, all alike.", rich_help_panel=_STAFF)
    ] = None,
    capacity: Annotated[int, typer.Option(min=1, max=100, help="Chats at once of each.", rich_help_panel=_STAFF)] = 3,
    skilled: Annotated[
        int | None, typer.Option(min=0, help="So many have the skill; else half.", rich_help_panel=_STAFF)
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help='One by name: "Ana: capacity=3,skills=de+en,shift=9-17".', rich_help_panel=_STAFF),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(help="When they are there each day, as in 9-17 or 22:30-6.", rich_help_panel=_STAFF),
    ] = None,
    slowdown: Annotated[
        float,
        typer.Option(
            min=0, max=10, help="What each further chat at once adds to a chat's length.", rich_help_panel=_STAFF
        ),
    ] = 0,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help='"name: strategy=round_robin,agents=6"; repeat it. Also: sticky=0, capacity=3, share=2, skills=off, '
            "boost=60, limit=20; mode=offer, answer=8, declined=5, missed=5; overflow=120, backup=2 (docs/queue.md).",
            rich_help_panel=_RULES,
        ),
    ] = None,
    within: Annotated[
        float, typer.Option(min=0, help="Seconds: served within them is in time.", rich_help_panel=_RULES)
    ] = 60,
    seed: Annotated[int, typer.Option(help="The same seed, the same visitors.", rich_help_panel=_RULES)] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on the last line.", rich_help_panel=_OUTPUT)
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Draw the waits and the work into this file.", rich_help_panel=_OUTPUT)
    ] = None,
) -> None:
    """See what another strategy, staffing or capacity would do to a day: recorded here, or drawn by chance."""
    if svg is not None and not svg.absolute().parent.is_dir():
        raise fail(f"there is no directory {svg.absolute().parent} for the drawing.", WRONG_SETTING)
    try:
        days = _days(since, until, hours)
        shifts = daily(shift, days) if shift else None
        demand = Demand(
            _rates(rate), hours, patience, handle, handle_sd, skill, skill_share, returning, priority_share, boost
        )
        if since is None and max(demand.rates) * hours > MOST_ARRIVALS:
            raise Impossible(f"these may be more than {MOST_ARRIVALS:,} arrivals: lower --rate or --hours.")
        named = [worker_of(words, capacity, shifts or ALWAYS, days) for words in agent or []]
        if len({worker.name for worker in named}) < len(named):
            raise Impossible("two agents have the same name.")
        invented = named or _alike(agents, capacity, shifts or ALWAYS, demand, skilled)
        asked = [policy_of(words, Policy("")) for words in policy or []]
        if len({each.name for each in asked}) < len(asked):
            raise Impossible("two policies have the same name.")
    except Impossible as error:
        raise fail(str(error), WRONG_SETTING) from None
    chance = Random(seed)
    scene = Scene([], invented, slowdown, True, within)
    base = Policy("least busy")
    if since is not None or team is not None:
        by_hand = bool(named or agents)
        scene, base = _from_database(scene, team, since, days, shifts, chance, keep_staff=by_hand)
    if since is None:
        scene = replace(scene, arrivals=drawn(demand, chance))
    policies = _policies(policy or [], base)
    total = len(scene.arrivals) * len(policies)
    # On a terminal only; click leaves it out elsewhere, but would write the label.
    with typer.progressbar(length=total, file=sys.stderr, hidden=not sys.stderr.isatty(), update_min_steps=500) as bar:
        compared, drawing = compare(scene, policies, seed, lambda: bar.update(1))
    if svg is not None:
        try:
            svg.write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise fail(f"the drawing cannot be written: {error.strerror}.") from None
    typer.echo(msgspec.json.encode(compared).decode() if as_json else table(compared))


def _from_database(
    scene: Scene,
    team: str | None,
    since: datetime | None,
    days: int,
    shifts: tuple[Shift, ...] | None,
    chance: Random,
    *,
    keep_staff: bool,
) -> tuple[Scene, Policy]:
    """Return the scene with what the database knows, and how the team runs its queue."""
    found: list[tuple[Scene, Policy]] = []

    async def work(settings: Settings) -> None:
        try:
            async with offline_work(settings.database_url) as units, units.begin() as unit:
                known = await known_team(unit.session, team)
                filled = replace(scene, notes=_notes(known))
                if since is not None:
                    first = since.replace(tzinfo=UTC)
                    last = first + timedelta(days=days)
                    arrivals = await recorded_arrivals(unit.session, known.id, first, last, chance)
                    filled = replace(filled, arrivals=arrivals)
                    if not keep_staff:
                        there = await who_was_there(unit.session, known, first, last)
                        filled = replace(filled, staff=there or await members(unit.session, known))
                        # They did get in line: somebody was there, also where no chat tells of it.
                        filled = replace(filled, turns_away=shifts is not None)
                elif not keep_staff:
                    filled = replace(filled, staff=await members(unit.session, known))
                if shifts is not None and not keep_staff:
                    filled = replace(filled, staff=[replace(each, shifts=shifts) for each in filled.staff])
        except Impossible as error:
            raise fail(str(error), WRONG_SETTING) from None
        found.append((filled, known.policy))

    run_with_servers(work)
    return found[0]


def _policies(asked: list[str], base: Policy) -> list[Policy]:
    """Return what is compared; when nothing is said, the team's way and another."""
    try:
        found = [policy_of(words, base) for words in asked] or _usual(base)
        if any(each.strategy == "manual" for each in found):
            raise Impossible(
                "this team's agents choose for themselves, which has no rule to simulate: give each policy a "
                'strategy, as in --policy "in turn: strategy=round_robin".'
            )
    except Impossible as error:
        raise fail(str(error), WRONG_SETTING) from None
    return found


def _notes(known: KnownTeam) -> list[str]:
    """Return what of a team is not simulated unless a policy says it."""
    if known.overflows_to is None:
        return []
    return [
        f"{known.name} overflows to {known.overflows_to}: simulated only where a policy says overflow= and backup=."
    ]


def _usual(base: Policy) -> list[Policy]:
    other = "round_robin" if base.strategy == "least_busy" else "least_busy"
    return [base, replace(base, name=other.replace("_", " "), strategy=other)]


def _days(since: datetime | None, until: datetime | None, hours: float) -> int:
    if since is None:
        if until is not None:
            raise Impossible("--to goes with --from.")
        return math.ceil(hours * 3600 / DAY_S)
    days = ((until or since) - since).days + 1
    if not 1 <= days <= 366:
        raise Impossible("--to is not before --from, and at most a year after it.")
    return days


def _rates(words: str) -> list[float]:
    parts = words.split(",")
    if len(parts) not in (1, 24) or not all(re.fullmatch(r"\s*\d{1,6}(\.\d{1,6})?\s*", part) for part in parts):
        raise Impossible("--rate wants one number, or 24 by commas, of arrivals an hour: 60.")
    rates = [float(part) for part in parts]
    if not any(rates):
        raise Impossible("--rate: nobody comes.")
    return rates


def _alike(
    agents: int | None, capacity: int, shifts: tuple[Shift, ...], demand: Demand, skilled: int | None
) -> list[Worker]:
    many = agents or USUAL_AGENTS
    able = (-(-many // 2) if skilled is None else skilled) if demand.skill_share else 0
    return [
        Worker(f"agent {i:0{len(str(many))}}", capacity, (demand.skill,) if i <= able else (), shifts)
        for i in range(1, many + 1)
    ]
