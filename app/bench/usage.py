"""What processes have used, by Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and all its children, ended ones too."""
    fields = _stat(pid)
    own, ended = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return (own + ended) * TICK_S + sum(cpu_s(child) for child in _children(pid))


def memory_kib(pid: int) -> int:
    """Return the resident memory of a process and its children; a page that n processes share counts 1/n for each."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except ProcessLookupError:
        own = 0
    return own + sum(memory_kib(child) for child in _children(pid))


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Return `cpu_s` by name."""
    return {name: cpu_s(pid) for name, pid in pids.items()}


def memory_of(pids: Mapping[str, int]) -> dict[str, int]:
    """Return `memory_kib` by name."""
    return {name: memory_kib(pid) for name, pid in pids.items()}


def stolen_s() -> float:
    """Return the processor seconds, of all processors, that a hypervisor has given to others since the boot."""
    with Path("/proc/stat").open(encoding="ascii") as stat:
        return int(stat.readline().split()[8]) * TICK_S


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the third on; zeros when the process has just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 20
    # The name before it may hold anything, parentheses and blanks too.
    return text.rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
