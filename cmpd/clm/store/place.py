"""Where a store is, as operators write it: the path of a file, or a postgresql:// URL."""

from __future__ import annotations

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
