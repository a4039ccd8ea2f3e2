"""How SQLite has the tables (`cmpd.clm.store.schema`), and how a file shows that they are cmpd's."""

from __future__ import annotations

from cmpd.clm.store.dialect import Engine
from cmpd.clm.store.schema import migrations

APPLICATION_ID = 0x434D5044
"""``CMPD`` in the file's header tells a store of cmpd from any other SQLite database."""

MIGRATIONS = migrations(Engine.SQLITE)
