"""Every Redis key and channel: a function each, with its type, lifetime and owner.

All hold only what can be rebuilt from Postgres. One hash tag, so that scripts work on a cluster.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

HASH_TAG = "ws"
"""In the name of every key and channel: on a cluster one node serves them all."""


class Keys:
    """The names under one prefix.

    Args:
        prefix: `DESKBELL_REDIS_PREFIX`; two installations on one Redis differ in it.
    """

    def __init__(self, prefix: str) -> None:
        self.root = f"{prefix}:{{{HASH_TAG}}}:"
        # Another shape of the index gets another number: in a deploy old and new processes work side by side.
        self.index = f"{self.root}2:"

    def epoch(self) -> str:
        """String. Which build of the index this is; missing when Redis lost its data. No expiry. Owner: routing."""
        return f"{self.index}epoch"

    def building(self) -> str:
        """String: the epoch to be, while the index is built; missing when Redis lost it meanwhile. Owner: routing."""
        return f"{self.index}building"

    def queue(self, lane: str) -> str:
        """Sorted set of a lane's waiting conversations by score (ms). No expiry. Owner: routing."""
        return f"{self.index}q:{lane}"

    def lanes(self, team_id: UUID | str) -> str:
        """Set of a team's lanes in which somebody waits, or waited. No expiry. Owner: routing."""
        return f"{self.index}lanes:{team_id}"

    def rules(self) -> str:
        """Hash: who may have a waiting conversation, unless everybody of its lane. No expiry. Owner: routing."""
        return f"{self.index}rules"

    def idle(self, team_id: UUID | str) -> str:
        """Sorted set of agents with room for a team, by its strategy's score. No expiry. Owner: routing."""
        return f"{self.index}idle:{team_id}"

    def agent(self, agent_id: UUID | str) -> str:
        """Hash: load, capacity, rev, last, free, places, skills. No expiry. Owner: routing."""
        return f"{self.index}agent:{agent_id}"

    def turn(self, duty: str) -> str:
        """String: a process is at a duty that one does for all. Expires before its next time. Owner: routing."""
        return f"{self.root}turn:{duty}"

    def limit(self, what: str) -> str:
        """Prefix of the rate limiter's counters. Expire with their window. Owner: limits."""
        return f"{self.root}limit:{what}"

    # Channels of the bus. Nothing is stored.

    def channel(self, topic: str) -> str:
        """The channel of a topic of the bus."""
        return f"{self.root}bus:{topic}"


@lru_cache(maxsize=4096)
def lane_topic(conversation_id: UUID | str, lane: int) -> str:
    """Events of one lane of a conversation. A visitor's process never listens to lane 1 on the visitor's behalf.

    Remembered: a message asks for it twice, and Python takes its time to write a UUID.
    """
    return f"c:{conversation_id}:{lane}"


def agent_topic(agent_id: UUID | str) -> str:
    """Offers, heads and status of one agent, and the order to sign out."""
    return f"a:{agent_id}"


def team_topic(team_id: UUID | str) -> str:
    """Heads of a team's conversations, for its agents."""
    return f"t:{team_id}"


def visitor_topic(visitor_id: UUID | str) -> str:
    """What all of one visitor's tabs should know."""
    return f"v:{visitor_id}"


def queue_topic(team_id: UUID | str) -> str:
    """A team's queue or staffing moved: positions and availability may differ now."""
    return f"q:{team_id}"
