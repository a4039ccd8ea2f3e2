"""All SQL that runs on SQLite while it serves."""

from __future__ import annotations

from cmpd.clm.store.dialect import Engine
from cmpd.clm.store.sql import statements

SQLITE = statements(Engine.SQLITE)
