"""SQL for both engines from one text: what differs between them is a word in braces.

A template is SQL as SQLite takes it, with parameters ``?1``, ``?2``, but for two things. A cast ``::type``
is PostgreSQL's, which infers the type of no parameter that is only compared with NULL, and dropped for
SQLite. And ``{word}`` stands for a text from a table of words: a list of columns, or what each engine has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import TypeAlias

from cmpd.clm.store.columns import Columns


class Engine(IntEnum):
    """The place of its text in a pair of `Differences`."""

    SQLITE = 0
    POSTGRES = 1


Differences: TypeAlias = Mapping[str, tuple[str, str]]
"""Word → (SQLite's text, PostgreSQL's)."""

_CAST = re.compile(r"::\w+")
_PARAMETER = re.compile(r"\?(\d+)")


class Listed:
    """Columns in a template: ``{word}`` lists them, ``{word:t}`` those of the table named t there."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.after = len(columns) + 1
        """The number of the first parameter after a row's."""

    def __format__(self, table: str) -> str:
        return ", ".join(f"{table}.{column}" if table else column for column in self._columns)

    @property
    def values(self) -> str:
        """A row's parameters: ``?1, ?2``."""
        return ", ".join(f"?{number}" for number in range(1, self.after))

    @property
    def settings(self) -> str:
        """``second = ?2, third = ?3``: each but the first, which finds the row, set to its parameter."""
        return ", ".join(f"{column} = ?{number}" for number, column in enumerate(self._columns[1:], 2))


def words(engine: Engine, differences: Differences) -> dict[str, str]:
    """An engine's text for each word."""
    return {word: texts[engine] for word, texts in differences.items()}


def rendered(engine: Engine, template: str, words: Mapping[str, str | Listed]) -> str:
    """The SQL that the engine takes."""
    text = template.format_map(words)
    if engine is Engine.SQLITE:
        return _CAST.sub("", text)
    return _PARAMETER.sub(r"$\1", text)
