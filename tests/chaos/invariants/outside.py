"""What holds whatever is broken outside: who hears what, marks, and who may acknowledge what while a server is away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import invariant

ACKNOWLEDGED_WITHIN_S = 1.0
"""I17. Redis has no part in it: it takes milliseconds."""


@invariant("I15")
def agents_hear_of_their_own(evidence: Evidence) -> Iterator[str]:
    """An agent hears of a conversation that was in a line of their teams, or before them."""
    concerned: defaultdict[str, set[str]] = defaultdict(set)
    for row in evidence.commits():
        for team in [row["line"]["team_id"], *([row["was"]["team_id"]] if row["was"] else [])]:
            concerned[row["c"]] |= {str(agent) for agent in evidence.teams[team]["members"]}
        if row["who"] is not None:
            concerned[row["c"]].add(row["who"])
    for (who, c), tick in evidence.ledger.glimpses.items():
        if tick <= evidence.tick and who not in concerned[c]:
            yield f"{who} heard of {c}, which was never before them nor in a line of theirs"


@invariant("I16")
def marks_never_go_back(evidence: Evidence) -> Iterator[str]:
    """Read and delivered never go back."""
    yield from evidence.went_back


@invariant("I17")
def acknowledgements_follow_postgres_alone(evidence: Evidence) -> Iterator[str]:
    """Redis down: acks continue; Postgres down: nothing acked.

    Judged by order, not by the clock: of what was first sent after the server was gone, and acknowledged before it
    was started again, there is something (Redis) or nothing (Postgres). Of Redis it is asked for what had the time for
    it. When Postgres is broken at the same time as Redis, nothing can be said about Redis.
    """
    for outage in evidence.outages:
        inside = [s for s in evidence.ledger.sends.values() if outage.from_tick < s.sent_tick < outage.to_tick]
        acked = [s for s in inside if s.outcome == "ok" and s.acked_tick < outage.to_tick]
        if outage.server == "postgres" and acked:
            yield f"{len(acked)} messages were acknowledged while Postgres was away ({outage.fault}): {acked[0].m}"
        alone = "postgres." not in outage.beside
        patient = [s for s in inside if outage.to_at - s.sent_at > ACKNOWLEDGED_WITHIN_S * evidence.crowding]
        if outage.server == "redis" and alone and len(patient) >= 20 and not acked:
            yield f"of {len(patient)} messages none was acknowledged while Redis was away ({outage.fault})"
