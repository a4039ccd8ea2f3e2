"""Where the CPU goes: cmpd under cProfile, on the clock of the thread's CPU, so that waiting costs nothing.

Run as a program, this module is the wrapper: it profiles cmpd from the first SIGUSR1 to its end.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import runpy
import signal
import time
from pathlib import Path

SHOWN = 60
WARM_UP = 100
SETTLING = 0.2


def show(folder: Path, count: int) -> None:
    """Profile `count` transactions; print what takes most of itself, and most with all it calls."""
    from bench.load import CONFIRMED, load
    from bench.servers import CMPD, Cmpd

    server = Cmpd(folder / "cmpd", wrapper=(CMPD[0], "-m", "bench.profiling"))
    with server:
        load(server, CONFIRMED, WARM_UP, "--no-delay")
        os.kill(server.pid, signal.SIGUSR1)
        time.sleep(SETTLING)
        load(server, CONFIRMED, count, "--no-delay")
    statistics = pstats.Stats(str(folder / "cmpd" / "profile"))
    for order in ("tottime", "cumtime"):
        statistics.sort_stats(order).print_stats(SHOWN)


def _main() -> None:
    profile = cProfile.Profile(time.thread_time)
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    try:
        runpy.run_module("cmpd", run_name="__main__", alter_sys=True)
    finally:
        profile.disable()
        profile.dump_stats("profile")


if __name__ == "__main__":
    _main()
