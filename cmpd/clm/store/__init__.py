"""Where the lifecycle is kept: one small interface (`base`), an implementation per engine.

Changes are data (`changes`); what each does is written once (`effects`), as are the reads (`reading`), how
records become rows (`rows`), the SQL (`sql`) and the tables (`schema`). An engine adds its transactions, and
what SQL only it has.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cmpd.clm.store.place import is_postgres

if TYPE_CHECKING:
    from cmpd.clm.store.base import Store

__all__ = ["create_store", "open_store"]


def open_store(where: str, *, synchronous: str = "full", node: str = "") -> Store:
    """The store at a path, or in the database of a postgresql:// URL; to be opened with `open`.

    `node` names this machine in the audit of a store that many share. Raises StoreError.
    """
    if is_postgres(where):
        _require_psycopg()
        from cmpd.clm.store.postgres.store import PostgresStore

        return PostgresStore(where, synchronous=synchronous, node=node)
    _require_path(where)
    from cmpd.clm.store.sqlite.store import SQLiteStore

    return SQLiteStore(where, synchronous=synchronous)


def create_store(where: str, *, synchronous: str = "full", node: str = "") -> Store:
    """Make an empty store where none is; to be opened with `open`. Blocks. Raises StoreError."""
    if is_postgres(where):
        _require_psycopg()
        from cmpd.clm.store.postgres import migrations
        from cmpd.clm.store.postgres.address import parse

        migrations.create(parse(where))
    else:
        _require_path(where)
        from cmpd.clm.store.sqlite.connection import create_file

        create_file(Path(where))
    return open_store(where, synchronous=synchronous, node=node)


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401 - to see whether it is there
    except ImportError:
        from cmpd.clm.store.base import StoreError

        raise StoreError("a store in PostgreSQL needs psycopg: install cmpd[postgres]") from None


def _require_path(where: str) -> None:
    if "://" in where:
        from cmpd.clm.store.base import StoreError

        scheme = where.partition("://")[0]
        raise StoreError(f"a store is a path or a postgresql:// URL; there is none by {scheme}://")
