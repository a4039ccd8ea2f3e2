"""How PostgreSQL has the tables (`cmpd.clm.store.ddl`), and where it notes the schema's version."""

from __future__ import annotations

from cmpd.clm.store.ddl import migrations
from cmpd.clm.store.dialect import Engine

VERSION_TABLE = "CREATE TABLE cmpd_schema (version integer NOT NULL)"
SET_VERSION = "INSERT INTO cmpd_schema (version) VALUES (%s)"
CHANGE_VERSION = "UPDATE cmpd_schema SET version = %s"
VERSION = "SELECT version FROM cmpd_schema"
HAS_VERSION = "SELECT to_regclass('cmpd_schema') IS NOT NULL"

MIGRATIONS = migrations(Engine.POSTGRES)
