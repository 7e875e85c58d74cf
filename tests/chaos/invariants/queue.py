"""The law of docs/queue.md: who may be given what, what becomes of a transfer, who goes on to another team.

Judged from what each transaction made of a conversation, and never from what the program says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tests.chaos.evidence import Evidence, Turn
from tests.chaos.invariants import invariant

NOT_AGAIN = timedelta(minutes=1)


@invariant("I11")
def nobody_has_more_of_a_team_than_their_share(evidence: Evidence) -> Iterator[str]:
    """The queue gives nobody more of a team's chats than the team's share."""
    for turn in evidence.turns():
        share = evidence.teams[turn.line["team_id"]]["share"]
        if turn.is_queues and share is not None and turn.of_team > share:
            yield f"{turn.c} was offered to {turn.line['agent_id']}, who has {turn.of_team} of that team, of {share}"


@invariant("I14")
def a_place_is_for_life(evidence: Evidence) -> Iterator[str]:
    """A place in line stays the same until the chat is closed: transfers, declines and overflow included."""
    for turn in evidence.turns():
        was, line = turn.was, turn.line
        if was["episode"] == line["episode"] and (was["score"], was["queued_at"]) != (line["score"], line["queued_at"]):
            yield f"{turn.c} went from place {was['score']} to {line['score']} ({' → '.join(turn.moved)})"


@dataclass
class _Refusals:
    """Who let an offer of a conversation go, and since when that counts for all of them."""

    since: datetime
    agents: set[UUID] = field(default_factory=set)


@invariant("I19")
def the_queue_keeps_its_rules(evidence: Evidence) -> Iterator[str]:
    """The queue gives a chat to members of its team who can do what it needs, and not again to who let it go."""
    refusals: dict[str, _Refusals] = {}
    for turn in evidence.turns():
        if turn.is_queues:
            yield from _unfit(evidence, turn)
            let_go = refusals.get(turn.c)
            if let_go and turn.line["agent_id"] in let_go.agents and turn.at < let_go.since + NOT_AGAIN:
                ago = (turn.at - let_go.since).total_seconds()
                yield f"{turn.c} was offered again to {turn.line['agent_id']}, who had let it go, {ago:.1f} s later"
        elif turn.moved == ("offered", "waiting") and _let_go(evidence, turn):
            now = turn.line["changed_at"]
            known = refusals.get(turn.c)
            if known is None or known.since + NOT_AGAIN <= now:
                known = refusals[turn.c] = _Refusals(now)
            known.agents.add(turn.was["agent_id"])
        elif turn.line["state"] in ("active", "closed"):
            refusals.pop(turn.c, None)


def _unfit(evidence: Evidence, turn: Turn) -> Iterator[str]:
    was, agent, team = turn.was, turn.line["agent_id"], evidence.teams[turn.line["team_id"]]
    lacking = set(turn.line["skills"]) - evidence.skills[agent]
    if lacking:
        yield f"{turn.c} was offered to {agent}, who cannot do {sorted(lacking)}"
    if agent not in team["members"] or team["strategy"] == "manual":
        yield f"{turn.c} was offered to {agent}, whom team {team['id']} ({team['strategy']}) gives nothing"
    if was["reserved_for"] not in (None, agent) or agent in was["declined"]:
        kept = f"kept for {was['reserved_for']}, declined by {was['declined']}"
        yield f"{turn.c} was offered to {agent}, though {kept}"


def _let_go(evidence: Evidence, turn: Turn) -> bool:
    """Tell whether an offer ended because its agent declined it, or let it run out although they were asked.

    Where clients confirm by themselves, who is silent gets nothing at all until they say that they are back.
    """
    declined = turn.at < turn.was["offer_expires_at"]
    passed = turn.was["passed_by"] is not None and turn.was["returns_at"] is None
    return declined or passed or evidence.teams[turn.line["team_id"]]["mode"] == "offer"


@invariant("I19")
def what_is_needed_does_not_change_in_line(evidence: Evidence) -> Iterator[str]:
    """What a chat needs stays the same while it waits, but for a language that nobody speaks any more."""
    for turn in evidence.turns():
        was, line = set(turn.was["skills"]), set(turn.line["skills"])
        if was == line or "closed" in turn.moved or turn.is_passed:
            continue
        if turn.moved != ("waiting", "waiting") or line != was & set(evidence.sites[turn.line["site_id"]]["skills"]):
            yield f"{turn.c} needs {sorted(line)} after {sorted(was)} ({' → '.join(turn.moved)})"


@invariant("I20")
def what_was_passed_on_is_taken_or_comes_back(evidence: Evidence) -> Iterator[str]:
    """A transfer that nobody takes comes back to its sender, if they are there with room; else it keeps its place."""
    yield from evidence.not_returned
    passed: dict[str, Turn] = {}
    for turn in evidence.turns():
        was, line = turn.was, turn.line
        before = passed.pop(turn.c, None)
        if turn.is_passed and line["passed_by"] != was["agent_id"]:
            yield f"{turn.c} was passed on by {line['passed_by']}; {was['agent_id']} had it"
        if turn.is_passed and line["state"] == "offered":
            passed[turn.c] = turn
        elif before is not None and line["state"] == "active":
            if line["agent_id"] not in (before.line["agent_id"], before.line["passed_by"]):
                yield f"{turn.c} was passed to {before.line['agent_id']}; {line['agent_id']} has it"
        elif turn.moved == ("waiting", "active") and line["team_id"] != was["team_id"]:
            if (line["team_id"], line["agent_id"]) != (was["previous_team_id"], was["passed_by"]):
                yield f"{turn.c} came back to {line['agent_id']} in {line['team_id']}, not to its sender"
            elif turn.at < was["returns_at"]:
                yield f"{turn.c} came back to its sender before its time"


@invariant("I21")
def who_overflows_waits_for_the_other_team(evidence: Evidence) -> Iterator[str]:
    """Who has waited too long goes on to the team that takes over, once and not before; else nobody changes teams."""
    for turn in evidence.turns():
        was, line = turn.was, turn.line
        if was["team_id"] == line["team_id"] or "closed" in turn.moved:
            continue
        if turn.moved == ("waiting", "waiting"):
            team = evidence.teams[was["team_id"]]
            after_s, waited = team["overflow_after_s"], line["changed_at"] - line["queued_at"]
            if line["team_id"] != team["overflow_team_id"] or was["overflowed"] or was["returns_at"] is not None:
                yield f"{turn.c} went from team {was['team_id']} to {line['team_id']}"
            elif after_s is None or waited < timedelta(seconds=after_s):
                yield f"{turn.c} overflowed after {waited.total_seconds():.1f} s, not {after_s}"
        elif not turn.is_passed and not (was["returns_at"] is not None and turn.moved == ("waiting", "active")):
            yield f"{turn.c} went from team {was['team_id']} to {line['team_id']} ({' → '.join(turn.moved)})"


@invariant("I21")
def visitors_wait_for_a_team_of_their_site(evidence: Evidence) -> Iterator[str]:
    """Who gets in line waits for the team of their site, or for the one that takes over from it."""
    for turn in evidence.turns():
        if turn.moved == ("closed", "waiting"):
            own = evidence.sites[turn.line["site_id"]]["team_id"]
            if turn.line["team_id"] not in (own, evidence.teams[own]["overflow_team_id"]):
                yield f"{turn.c} got in line for {turn.line['team_id']}, with a site of {own}"
