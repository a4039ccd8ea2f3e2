"""A progress bar on standard error, for people only: nothing where that is no terminal."""

from __future__ import annotations

import sys
import time

_WIDTH = 30
_EVERY = 0.1


class ProgressBar:
    """Shows how far a long piece of work is; `done` takes it away."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._next = 0.0

    def show(self, label: str, done: int, total: int) -> None:
        """`done` of `total` of what the label names; at most ten times a second."""
        now = time.monotonic()
        if not self._shows or (now < self._next and done < total):
            return
        self._next = now + _EVERY
        share = min(done / total, 1.0) if total else 1.0
        bar = "#" * round(share * _WIDTH)
        print(f"\r{label:<24.24} [{bar:<{_WIDTH}}] {share:4.0%}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Clear the line."""
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
