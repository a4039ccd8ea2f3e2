"""What a serving process asks of the operating system before it serves."""

from __future__ import annotations

import logging
import os
import resource

log = logging.getLogger(__name__)

SPARE_FILES = 64
"""File descriptors beside the connections': the store's, the logs', listeners."""


def harden() -> None:
    """Files are made for the user alone, and no core file shows what was in memory."""
    os.umask(0o077)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    _limit(resource.RLIMIT_CORE, (0, hard), "core files may be written")


def allow_files(connections: int) -> None:
    """Raise the soft limit of open files to what `connections` at once need, or as far as is allowed."""
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        log.warning(
            "at most %d connections at once: no more than %d files may be open (LimitNOFILE=, ulimit -n); "
            "http.max_connections asks for %d",
            hard - SPARE_FILES,
            hard,
            connections,
        )
        needed = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        _limit(resource.RLIMIT_NOFILE, (needed, hard), f"no more than {soft} files may be open")


def _limit(kind: int, limits: tuple[int, int], otherwise: str) -> None:
    try:
        resource.setrlimit(kind, limits)
    except (OSError, ValueError) as error:  # a sandbox may forbid it, and has limits of its own then
        log.warning("%s: %s", otherwise, error)
