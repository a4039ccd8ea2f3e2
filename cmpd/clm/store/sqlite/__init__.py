"""The store in a SQLite file."""

from cmpd.clm.store.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
