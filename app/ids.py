"""Typed identifiers. All are UUIDv7: they sort by the time they were made.

PostgreSQL makes them only from version 18 on, so they are made here.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import NewType
from uuid import UUID

SiteId = NewType("SiteId", UUID)
TeamId = NewType("TeamId", UUID)
AgentId = NewType("AgentId", UUID)
VisitorId = NewType("VisitorId", UUID)
ConversationId = NewType("ConversationId", UUID)
EpisodeId = NewType("EpisodeId", UUID)
MessageId = NewType("MessageId", UUID)
GatewayId = NewType("GatewayId", UUID)

SYSTEM = UUID(int=0)
"""The sender of system lines ("Ana joined")."""


def uuid7() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits."""
    ms = time.time_ns() // 1_000_000
    value = (ms & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def site_key() -> str:
    """Return a fresh public name for a site, as it stands in the embed snippet."""
    return "s_" + secrets.token_hex(6)
