"""cmpd and OpenSSL's mock server in turn: server CPU per transaction.

The cores of a shared machine change their speed from one second to the next, so the two are measured in
many short runs in turn, and compared by their minima and by their medians.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.figures import Figure, table
from bench.load import CONFIRMED, IMPLICIT, SIGNED, Shape, load
from bench.servers import Cmpd, Mock

GOALS = {CONFIRMED: 1.3, IMPLICIT: 1.2, SIGNED: 0.9}
WARM_UP = 100


def compare(shape: Shape, folder: Path, runs: int, count: int, threads: int) -> dict[str, Any]:
    """CPU per transaction of both, in milliseconds, of each run."""
    options = ("--threads", str(threads), "--no-delay")
    used: dict[str, list[float]] = {"mock": [], "cmpd": []}
    name = shape.name.replace(",", "").replace(" ", "-")
    with (
        Mock(folder / f"mock-{name}", shape.protection, implicit=shape.implicit) as mock,
        Cmpd(folder / f"cmpd-{name}") as cmpd,
    ):
        for server in (mock, cmpd):
            load(server, shape, WARM_UP, *options)
        for _ in range(runs):
            used["mock"].append(load(mock, shape, count, *options)["cpu_ms"])
            used["cmpd"].append(load(cmpd, shape, count, *options)["cpu_ms"])
    return {"transaction": shape.name, "goal": GOALS[shape], "cpu_ms": used}


def run(folder: Path, runs: int, count: int, threads: int) -> list[dict[str, Any]]:
    """All three kinds of transaction, and the table of them printed."""
    found = [compare(shape, folder, runs, count, threads) for shape in GOALS]
    rows = []
    for one in found:
        mock, cmpd = Figure.of(one["cpu_ms"]["mock"]), Figure.of(one["cpu_ms"]["cmpd"])
        ratios = f"{cmpd.low / mock.low:.2f}", f"{cmpd.median / mock.median:.2f}"
        rows.append((one["transaction"], str(mock), str(cmpd), *ratios, f"{one['goal']:.1f}"))
    head = ("CPU, ms: least / median ± half the spread", "mock", "cmpd", "of least", "of medians", "goal")
    print(f"{runs} runs of {count}, {threads} threads", table(head, rows), sep="\n")
    return found
