"""What a process and its children use of the machine, by the kernel's own accounting (proc(5))."""

from __future__ import annotations

import time
from pathlib import Path

CLOCK_OF_PROCESS = 2
"""CPUCLOCK_SCHED: the low bits of the id of a process's CPU-time clock (clock_getcpuclockid(3))."""


def family(pid: int) -> list[int]:
    """The process, its children, and theirs."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, that a process and its family have used, to the nanosecond."""
    return sum(time.clock_gettime((~member << 3) | CLOCK_OF_PROCESS) for member in family(pid))


def memory(pid: int) -> list[dict[str, int]]:
    """For each of the family: kilobytes resident (``rss``), and of these shared with nobody (``private``)."""
    return [_memory(member) for member in family(pid)]


def _memory(pid: int) -> dict[str, int]:
    fields = {}
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        raise SystemExit("cmpd conceals its memory from its own user; measure it as root") from None
    for line in rollup.splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0])
    return {"rss": fields["Rss"], "private": fields["Private_Clean"] + fields["Private_Dirty"]}
