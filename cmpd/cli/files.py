"""The files that commands write, each with a mode of its own, whatever the umask is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PUBLIC = 0o644
"""Certificates, certification requests, CRLs: for everybody to read, and for the owner alone to change."""


def create_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """A new file, durably, that nobody else ever could read. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def write_public(path: Path, data: bytes) -> None:
    """A file for others to read, in the place of what is there; a device or a pipe is written to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PUBLIC)
    with os.fdopen(descriptor, "wb") as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, PUBLIC)
        file.write(data)


def create_folder(path: Path, mode: int = 0o755) -> None:
    """The folder, and those above it that are missing; a strict umask may take from the mode."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode)
