"""What the kernel says of the processes of a test."""

import re
from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """The processes that a process has started, and their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = re.sub(r"^.*\) ", "", (entry / "stat").read_text()).split()[:2]
            if int(parent) == pid and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError):
            continue
    return found
