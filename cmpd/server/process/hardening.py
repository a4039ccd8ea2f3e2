"""What a process asks of the operating system before it serves, or opens the master key."""

from __future__ import annotations

import ctypes
import logging
import os
import resource

log = logging.getLogger(__name__)

SPARE_FILES = 64
"""File descriptors beside the connections': the store's, the logs', listeners."""

_PR_SET_DUMPABLE = 4
"""Of linux/prctl.h."""


def harden() -> None:
    """Files are made for the user alone, and nobody but root sees what is in memory."""
    os.umask(0o077)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    _limit(resource.RLIMIT_CORE, (0, hard), "core files may be written")
    conceal()


def conceal() -> None:
    """Keep this process's memory from core dumps and from other processes of the same user (prctl(2),
    PR_SET_DUMPABLE): keys are in it. RLIMIT_CORE alone does not hold where cores are piped to a program
    (core(5)). Children that are forked inherit it; root may still look, as debuggers and profilers must.
    """
    try:
        refused = ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):  # no Linux
        refused = -1
    if refused:
        log.warning("other processes of this user may read the memory of this one: prctl is not allowed")


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
