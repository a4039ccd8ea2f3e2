"""The store in a PostgreSQL database; needs psycopg (the extra ``cmpd[postgres]``)."""

from cmpd.clm.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
