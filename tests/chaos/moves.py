"""How often a round made conversations move: an invariant that held says little of what never happened."""

from __future__ import annotations

from collections import Counter

from tests.chaos.evidence import Evidence, Turn


def moves(evidence: Evidence) -> Counter[str]:
    """Count what became of conversations, in words."""
    return Counter(words for turn in evidence.turns() if (words := _words(evidence, turn)) is not None)


def _words(evidence: Evidence, turn: Turn) -> str | None:
    was, line = turn.was, turn.line
    passed = was["passed_by"] is not None
    to = "team" if was["returns_at"] is not None else "agent"
    match turn.moved:
        case "active", "offered":
            return "passed to an agent"
        case "active", "waiting":
            return "passed to a team" if turn.is_passed else "agent gone"
        case "waiting", "offered":
            team = evidence.teams[line["team_id"]]
            return f"offered {team['mode']}, {team['strategy']}{', by skill' * bool(line['skills'])}"
        case "offered", "active":
            if passed and to == "agent":
                return "passed to an agent: " + ("came back" if line["agent_id"] == was["passed_by"] else "taken")
            return "accepted"
        case "waiting", "active":
            return "passed to a team: came back" if was["team_id"] != line["team_id"] else "claimed"
        case "offered", "waiting":
            if passed and to == "agent":
                return "passed to an agent: back in line"
            return "declined" if turn.at < was["offer_expires_at"] else "missed"
        case "waiting", "waiting":
            return "overflowed" if was["team_id"] != line["team_id"] else "asked for less"
        case _:
            return None
