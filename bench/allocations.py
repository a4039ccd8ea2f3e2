"""What transactions leave in memory: cmpd under tracemalloc, told to compare by SIGUSR1.

Run as a program, this module is the wrapper: it starts tracing, then runs cmpd with the arguments left. The
first signal takes a snapshot, each later one prints what grew since.
"""

from __future__ import annotations

import gc
import os
import runpy
import signal
import time
import tracemalloc
from pathlib import Path

FRAMES = 1
SHOWN = 25
WARM_UP = 400
SETTLING = 1.0
"""Seconds after the load, for what is due anyway to be let go of."""


def show(folder: Path, count: int) -> None:
    """Load cmpd, and print which lines hold more memory after `count` more transactions."""
    from bench.load import CONFIRMED, load
    from bench.servers import CMPD, Cmpd

    server = Cmpd(folder / "cmpd", wrapper=(CMPD[0], "-m", "bench.allocations"))
    with server:
        for transactions in (WARM_UP, count):
            load(server, CONFIRMED, transactions, "--no-delay")
            time.sleep(SETTLING)
            os.kill(server.pid, signal.SIGUSR1)
            time.sleep(2 * SETTLING)
    print((folder / "cmpd" / "growth").read_text())


def _main() -> None:
    tracemalloc.start(FRAMES)
    snapshots: list[tracemalloc.Snapshot] = []

    def compare(*_: object) -> None:
        gc.collect()
        snapshots.append(tracemalloc.take_snapshot())
        lines = snapshots[-1].compare_to(snapshots[0], "lineno")[:SHOWN]
        Path("growth").write_text("\n".join(map(str, lines)))

    signal.signal(signal.SIGUSR1, compare)
    runpy.run_module("cmpd", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
