"""Units, run within a database transaction that begins here, and that somebody else will end.

`together` sends the writes of many units in a pipeline and assumes that each does what is expected of it,
waiting for queries only; `alone` runs one unit step by step. The order of steps is the same in both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.effects import EFFECTS, BatchTotals, Effect, close_book
from cmpd.clm.store.postgres.sql import POSTGRES, TOKEN

if TYPE_CHECKING:
    from psycopg import AsyncCursor

    from cmpd.clm.store.postgres.connections import Connection
    from cmpd.clm.store.rows import Row

_QUERIES = frozenset(
    statement
    for statement in (getattr(POSTGRES, field.name) for field in fields(POSTGRES))
    if statement.lstrip().startswith("SELECT")
)
# Writes that may touch no row without anything being wrong.
_FREE = frozenset({POSTGRES.delete_references, POSTGRES.delete_identities})


class WrongAssumption(Exception):
    """The assumption of `together` was wrong: roll back, and run each unit alone."""


async def _begin(connection: Connection, token: bytes) -> None:
    await connection.execute("BEGIN")
    await connection.execute(TOKEN, (token, int(time.time())))


async def together(
    connection: Connection, token: bytes, book: BatchTotals, units: Sequence[Sequence[object]]
) -> None:
    """Run all units. `book` may hold the end that the audit chain had last, as far as this process knows:
    were it another by now, the chain's own key would clash. Raises Misjudged, psycopg.Error."""
    written: list[AsyncCursor[Row]] = []
    async with connection.pipeline():
        await _begin(connection, token)
        for effect in _effects(book, units):
            try:
                await _assume(connection, effect, written)
            except (StoreError, ValueError, TypeError) as error:
                raise WrongAssumption from error
        await _assume(connection, close_book(POSTGRES, book), written)
    if not all(cursor.rowcount for cursor in written):
        raise WrongAssumption


def _effects(book: BatchTotals, units: Sequence[Sequence[object]]) -> list[Effect]:
    return [EFFECTS[type(change)](POSTGRES, book, change) for unit in units for change in unit]


async def _assume(connection: Connection, effect: Effect, written: list[AsyncCursor[Row]]) -> None:
    try:
        statement, parameters = next(effect)
        while True:
            cursor = await connection.execute(statement, parameters)
            result: Any = 1
            if statement in _QUERIES:
                result = await cursor.fetchall()
            elif statement not in _FREE:
                written.append(cursor)
            statement, parameters = effect.send(result)
    except StopIteration:
        return


async def alone(connection: Connection, token: bytes, book: BatchTotals, unit: Sequence[object]) -> None:
    """Run the unit. Raises Conflict, psycopg.Error, and whatever is wrong with the unit itself."""
    await _begin(connection, token)
    for effect in (*_effects(book, [unit]), close_book(POSTGRES, book)):
        try:
            statement, parameters = next(effect)
            while True:
                cursor = await connection.execute(statement, parameters)
                statement, parameters = effect.send(
                    await cursor.fetchall() if statement in _QUERIES else cursor.rowcount
                )
        except StopIteration:
            continue
