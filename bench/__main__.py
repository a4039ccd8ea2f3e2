"""python3 -m bench SUBJECT...: measure cmpd; --help names the subjects."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import allocations, nodes, profiling, scenarios, yardstick
from bench.load import CMPLOAD

SUBJECTS: dict[str, tuple[str, Callable[[Path, argparse.Namespace], Any]]] = {
    "yardstick": (
        "server CPU per transaction, in turn with OpenSSL's mock server",
        lambda folder, options: yardstick.run(folder, options.runs, options.count, options.threads),
    ),
    "latency": (
        "what certConf takes through a client without TCP_NODELAY, connection kept or not",
        lambda folder, options: scenarios.latency(folder, options.count),
    ),
    "workers": (
        "throughput of two workers over one",
        lambda folder, options: scenarios.workers(folder, options.runs, options.count),
    ),
    "tail": (
        "99th percentile at half of the highest throughput",
        lambda folder, options: scenarios.tail(folder, options.count),
    ),
    "start": (
        "from start to first answer, and `cmpd --help`",
        lambda folder, options: scenarios.start(folder, options.runs),
    ),
    "filled": (
        "CPU and memory with 1,000,000 certificates and 100,000 end entities, and with none",
        lambda folder, options: scenarios.filled(folder, options.runs, options.count),
    ),
    "memory": (
        "resident memory after 10,000 and 100,000 transactions, and of each further worker",
        lambda folder, options: scenarios.memory(folder),
    ),
    "nodes": (
        "1, 2 and 3 nodes on PostgreSQL behind nginx, and what they store",
        lambda folder, options: nodes.nodes(folder, options.runs, options.count),
    ),
    "profile": (
        "where the CPU goes, by cProfile",
        lambda folder, options: profiling.show(folder, options.count),
    ),
    "allocations": (
        "what transactions leave in memory, by tracemalloc",
        lambda folder, options: allocations.show(folder, options.count),
    ),
    "idle": (
        "5,000 idle connections: memory of each, and what they cost others",
        lambda folder, options: scenarios.idle(folder, options.count),
    ),
}


def main() -> int:
    epilog = "subjects:\n" + "\n".join(f"  {name:10} {what}" for name, (what, _) in SUBJECTS.items())
    parser = argparse.ArgumentParser(
        prog="bench",
        description=__doc__,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "subjects", nargs="*", choices=[*SUBJECTS, []], metavar="SUBJECT", help="default: yardstick"
    )
    parser.add_argument("--runs", type=int, default=25, help="of each, in turn (default: 25)")
    parser.add_argument("--count", type=int, default=400, help="transactions in a run (default: 400)")
    parser.add_argument("--threads", type=int, default=4, help="of the client (default: 4)")
    parser.add_argument("--folder", type=Path, help="where stores and logs go (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write every figure there")
    options = parser.parse_args()
    if not CMPLOAD.exists():
        print("bench: there is no cmpload; make -C bench builds it", file=sys.stderr)
        return 1
    found = {}
    with tempfile.TemporaryDirectory(prefix="cmpd-bench-", dir=options.folder) as folder:
        for name in options.subjects or ["yardstick"]:
            place = Path(folder) / name
            place.mkdir()
            found[name] = SUBJECTS[name][1](place, options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
