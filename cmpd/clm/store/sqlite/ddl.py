"""How SQLite has the tables (`cmpd.clm.store.ddl`), and how a file shows that they are cmpd's."""

from __future__ import annotations

from cmpd.clm.store.ddl import migrations
from cmpd.clm.store.dialect import Engine

APPLICATION_ID = 0x434D5044
"""``CMPD`` in the file's header tells a store of cmpd from any other SQLite database."""

MIGRATIONS = migrations(Engine.SQLITE)
