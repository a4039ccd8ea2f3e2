"""Where the lifecycle is kept: one small interface (`base`), an implementation per engine.

Changes are data (`changes`); what each does is written once (`effects`), as are the reads (`reading`) and
how records become rows (`rows`). An engine adds its SQL, its schema and its transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmpd.clm.store.base import Store

__all__ = ["create_store", "open_store"]


def open_store(where: str, *, synchronous: str = "full") -> Store:
    """The store at a path; to be opened with `open`. Raises StoreError."""
    from cmpd.clm.store.sqlite import SQLiteStore

    return SQLiteStore(where, synchronous=synchronous)


def create_store(where: str, *, synchronous: str = "full") -> Store:
    """Make an empty store where none is; to be opened with `open`. Raises StoreError."""
    from pathlib import Path

    from cmpd.clm.store.sqlite.connection import create_file

    create_file(Path(where))
    return open_store(where, synchronous=synchronous)
