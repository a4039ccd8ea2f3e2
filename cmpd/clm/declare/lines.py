"""Where each key of a TOML text stands, so that errors can name the line (tomllib does not tell)."""

from __future__ import annotations

import tomllib
from typing import Any

Path = tuple[str, ...]


class Lines:
    """Line numbers of the tables and keys of a TOML text that tomllib reads."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        table: Path = ()
        pending = ""
        begin = 0
        for number, line in enumerate(text.splitlines(), 1):
            if not pending and (not line.strip() or line.lstrip().startswith("#")):
                continue
            begin = begin if pending else number
            pending += line + "\n"
            try:
                found = tomllib.loads(pending)
            except tomllib.TOMLDecodeError:
                continue  # a value that goes on in the next line
            paths = list(_paths(found))
            if pending.lstrip().startswith("["):
                table = paths[0]
                self._note(table, begin)
            else:
                for path in paths:
                    self._note(table + path, begin)
            pending = ""

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def of(self, *path: str) -> int:
        """The line of the key, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return 1


def _paths(value: Any, above: Path = ()) -> list[Path]:
    """The paths of a document's leaves; of an empty table, its own."""
    if isinstance(value, list) and len(value) == 1 and value[0] == {}:
        return [above]
    if not isinstance(value, dict) or not value:
        return [above]
    return [path for key, item in value.items() for path in _paths(item, (*above, key))]
