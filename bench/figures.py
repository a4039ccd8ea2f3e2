"""Figures of many runs, as minimum, median and spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity over many runs."""

    low: float
    median: float
    spread: float
    """Between the first and the third quartile."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        if len(values) < 2:
            return cls(values[0], values[0], 0.0)
        first, median, third = statistics.quantiles(values, n=4, method="inclusive")
        return cls(min(values), median, third - first)

    def __str__(self) -> str:
        return f"{self.low:.3f} / {self.median:.3f} ± {self.spread / 2:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head, columns aligned."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
