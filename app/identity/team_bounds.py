"""Between what the settings of a team's line lie. Pure."""

from __future__ import annotations

STRATEGIES = ("least_busy", "round_robin", "longest_idle", "manual")
MODES = ("direct", "offer")
DAY_S = 86_400
BOUNDS = {
    "share": (1, 100),
    "queue_limit": (1, 100_000),
    "overflow_after_s": (0, DAY_S),
    "choice_after_s": (0, DAY_S),
    "sticky_s": (1, 3600),
}
