"""Where a store is, as operators write it: the path of a file, or a postgresql:// URL; and whose its files
are."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

_POSTGRES = ("postgresql://", "postgres://")


def is_postgres(where: str) -> bool:
    """Whether the store is a PostgreSQL URL; else it is the path of a SQLite file."""
    return where.startswith(_POSTGRES)


def shown(where: str) -> str:
    """The store's place as people and logs may see it: a URL without its password and its options."""
    if "://" not in where:
        return where
    try:
        parts = urlsplit(where)
    except ValueError:
        return f"{where.partition('://')[0]}://?"
    userinfo, at, hosts = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{userinfo.partition(':')[0]}{at}{hosts}{parts.path}"


def hand_over(descriptor: int, path: Path) -> None:
    """Give a file that root made to the owner of its folder: an operator works on the store as root, the
    daemon as a user of its own, and each has to open what the other made."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
