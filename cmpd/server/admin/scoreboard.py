"""What the workers have done lately, in memory they share: each writes its own row, any of them reads all.

Every cell is one aligned 64-bit number with one writer, so there is nothing to lock.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

MINUTES = 60
"""How far back the counts by minute go."""
_OCTETS = 8
_PID, _STARTED, _CONNECTIONS, _REQUESTS, _FIRST_MINUTE = range(5)
_MINUTE, _ANSWERED, _REFUSED, _CELLS = range(4)
_ROW = _FIRST_MINUTE + MINUTES * _CELLS


@dataclass(frozen=True, slots=True)
class Worker:
    """One process as its row shows it."""

    pid: int
    started: int
    """Seconds since the epoch."""
    connections: int
    requests: int
    """Under way now."""


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """What all workers did in one minute."""

    begin: int
    """Seconds since the epoch."""
    answered: int
    """CMP requests, refused ones too."""
    refused: int
    """Those answered with a failure."""


class Scoreboard:
    """The rows of all workers. To be made before the workers are forked."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._cells = memoryview(mmap.mmap(-1, workers * _ROW * _OCTETS)).cast("q")

    def row(self, slot: int) -> Row:
        """The row of the worker in that slot."""
        return Row(self._cells[slot * _ROW : (slot + 1) * _ROW])

    def workers(self) -> list[Worker]:
        """All that have started."""
        rows = (self._cells[slot * _ROW : (slot + 1) * _ROW] for slot in range(self._workers))
        return [
            Worker(row[_PID], row[_STARTED], row[_CONNECTIONS], row[_REQUESTS]) for row in rows if row[_PID]
        ]

    def minutes(self, now: int) -> list[MinuteCounts]:
        """The last hour, oldest minute first, the current one last."""
        found = []
        for minute in range(now // 60 - MINUTES + 1, now // 60 + 1):
            answered = refused = 0
            for slot in range(self._workers):
                at = slot * _ROW + _FIRST_MINUTE + minute % MINUTES * _CELLS
                if self._cells[at + _MINUTE] == minute:
                    answered += self._cells[at + _ANSWERED]
                    refused += self._cells[at + _REFUSED]
            found.append(MinuteCounts(minute * 60, answered, refused))
        return found


class Row:
    """What one worker writes."""

    def __init__(self, cells: memoryview[int]) -> None:
        self._cells = cells

    def begin(self, pid: int, now: int) -> None:
        """A new process took the slot; the counts of the one before stay."""
        self._cells[_PID], self._cells[_STARTED] = pid, now
        self.occupy(0, 0)

    def occupy(self, connections: int, requests: int) -> None:
        """How many there are now."""
        self._cells[_CONNECTIONS], self._cells[_REQUESTS] = connections, requests

    def count(self, now: int, *, refused: bool) -> None:
        """A CMP request was answered."""
        cells, minute = self._cells, now // 60
        at = _FIRST_MINUTE + minute % MINUTES * _CELLS
        if cells[at + _MINUTE] != minute:
            cells[at + _MINUTE], cells[at + _ANSWERED], cells[at + _REFUSED] = minute, 0, 0
        cells[at + _ANSWERED] += 1
        if refused:
            cells[at + _REFUSED] += 1
