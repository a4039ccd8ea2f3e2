"""Steps of migrations that are computed, not SQL alone.

Until schema 3 an identity was found by its text. Since then it is found by what names have in common that
match (`cmpd.clm.pkix.identities.identity_key`), and by the trust anchor it holds together with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cmpd.canonical import json_text
from cmpd.clm.model import EntityState
from cmpd.clm.pkix.identities import identity_key


@dataclass(frozen=True, slots=True)
class Computed:
    """Rows that are read, and what they make of the rows of another table."""

    select: str
    write: str
    """Takes one computed row."""
    compute: Callable[[Iterable[tuple[Any, ...]]], Iterator[tuple[Any, ...]]]


Migration = tuple[str | Computed, ...]
"""What leads from one version of the schema to the next, in order."""


def rekeyed(entities: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """(kind, key, anchor, entity) of all identities, from (id, state, identity_list) of the entities.

    Texts that differed may have one key now. Such a key is a blocked entity's first, that no block is lifted,
    then that of the lower id; of the others the identity gets a key that nothing has (`cmpd check` tells).
    """
    taken: set[tuple[str, str]] = set()
    for id, _, identities in sorted(entities, key=lambda row: (row[1] != EntityState.BLOCKED, row[0])):
        for kind, value in json.loads(identities):
            key = identity_key(kind, value)
            if (kind, key) in taken:
                key = f"?{id} {value}"
            taken.add((kind, key))
            yield kind, key, "", id


def with_requested_validity(policies: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(id, document) of each policy that has `validity.wish`, from those of all, with the name that this key
    has since schema 4."""
    for id, text in policies:
        document = json.loads(text)
        validity = document.get("validity", {})
        if "wish" in validity:
            validity["requested_validity"] = validity.pop("wish")
            yield id, json_text(document)
