"""The SQL of SQLite: the statements that it shares with PostgreSQL (`cmpd.clm.store.sql`), its tables, and
how a file shows that they are cmpd's."""

from __future__ import annotations

from cmpd.clm.store.ddl import migrations
from cmpd.clm.store.dialect import Engine
from cmpd.clm.store.sql import statements

SQLITE = statements(Engine.SQLITE)

MIGRATIONS = migrations(Engine.SQLITE)

APPLICATION_ID = 0x434D5044
"""``CMPD`` in the file's header tells a store of cmpd from any other SQLite database."""
