"""Load by cmpload, and what it cost the server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bench.servers import HOST, REPOSITORY, Server

CMPLOAD = REPOSITORY / "bench" / "build" / "cmpload"
LONGEST = 900.0
"""Seconds that one run of cmpload may take."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of transaction: cmpload's command, protection and confirmation."""

    name: str
    command: str = "ir"
    protection: str = "pbm"
    implicit: bool = False

    def options(self) -> list[str]:
        return ["--command", self.command, *(["--implicit-confirm"] if self.implicit else [])]


CONFIRMED = Shape("ir, PBM, confirmed")
IMPLICIT = Shape("ir, PBM, implicitConfirm", implicit=True)
SIGNED = Shape("cr, signature, confirmed", command="cr", protection="signature")


def load(server: Server, shape: Shape, count: int, *options: str) -> dict[str, Any]:
    """Run `count` transactions; cmpload's report, with ``cpu_ms``, the server's CPU for each.

    Ends the program where one of them fails: a figure of failures is worth nothing.
    """
    command = [str(CMPLOAD), "--server", f"{HOST}:{server.port}", "--path", server.path]
    command += [
        "--transactions",
        str(count),
        *shape.options(),
        *server.credentials(shape.protection),
        *options,
    ]
    before = server.cpu()
    run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    used = server.cpu() - before
    if run.returncode:
        raise SystemExit(f"{type(server).__name__}: {shape.name}: {run.stdout}{run.stderr}")
    report: dict[str, Any] = json.loads(run.stdout)
    report["cpu_ms"] = used * 1e3 / count
    return report
