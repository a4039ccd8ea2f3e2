"""`make judge`: many requests in many worlds, and every cell of the table flipped once.

Prints grants and refusals per cell. Exit status 1 where somebody got what was not given to them, did not get
what was, or a flipped cell went unnoticed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.judge.flips import SHADOWED, exercises, flipped, places
from tests.judge.judge import Finding, Judge
from tests.judge.worlds import Court

FOUND_WITHIN = 10_000
A_COURT = 20_000
"""Requests that one store gets: it grows with each certificate."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    began, sent, granted, refused = time.monotonic(), 0, 0, 0
    tables: list[Judge] = []
    while sent < arguments.requests:
        with tempfile.TemporaryDirectory(prefix="cmpd-judge-") as folder:
            judge = Judge(Court(Path(folder)), rng)
            try:
                judge.run(min(A_COURT, arguments.requests - sent))
            except Finding as finding:
                say(f"after {sent + judge.requests} requests, seed {arguments.seed}: {finding}")
                return 1
            finally:
                judge.court.close()
        sent += judge.requests
        granted += judge.granted.total()
        refused += judge.refused.total()
        tables.append(judge)
        say(f"{sent} requests, {sent / (time.monotonic() - began):.0f} a second")
    first, *others = tables
    for other in others:
        first.granted += other.granted
        first.refused += other.refused
    say(first.table())
    say(f"{sent} requests: {granted} granted, {refused} refused, 0 wrongly")
    return flip_all(rng)


def flip_all(rng: random.Random) -> int:
    """Flip every cell once; gives the exit status."""
    with tempfile.TemporaryDirectory(prefix="cmpd-judge-") as folder:
        judge = Judge(Court(Path(folder)), rng)
        unseen, most = 0, 0
        for place in places():
            if (place.capacity, place.operation) in SHADOWED:
                say(f"{place}: {SHADOWED[place.capacity, place.operation]}")
                continue
            before = judge.requests
            try:
                with flipped(place):
                    judge.aim(place.judged, partial(exercises, place), FOUND_WITHIN)
            except Finding:
                most = max(most, judge.requests - before)
                continue
            say(f"flipped, and nobody saw it: {place}")
            unseen += 1
        judge.court.close()
    say(f"{len(places())} cells flipped, each found within {most} requests but for those named above")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
