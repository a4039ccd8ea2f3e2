"""The registers of algorithms, which everybody asks.

A family's module brings its rows, and `register` takes them in. What depends on an algorithm (the words of a
policy, what general messages offer, who verifies, the documentation) is looked up when it is needed: nobody
keeps a list of its own, and nobody tests a key for its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeVar

from cmpd.clm.pkix.algorithms.definitions import KeyAlgorithm, SignatureAlgorithm, SigningKey


class KeyProblem(Exception):
    """A key cannot be made, loaded or used; the text says why."""


class _Row(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def oid_names(self) -> dict[str, str]: ...


RowT = TypeVar("RowT", bound=_Row)

OID_NAMES: Final[dict[str, str]] = {}
"""OID → name of every algorithm that is registered."""


class Register(dict[str, RowT]):
    """Rows by name, in the order they came."""

    def add(self, row: RowT) -> None:
        """Raises ValueError where the name is taken."""
        if row.name in self:
            raise ValueError(f"{row.name} is registered already")
        self[row.name] = row

    def remove(self, row: RowT) -> None:
        """Raises KeyError where it is not there."""
        del self[row.name]


class KeyRegister(Register[KeyAlgorithm]):
    """The kinds of key."""

    def __init__(self) -> None:
        super().__init__()
        self._of_class: dict[type[Any], dict[str | None, KeyAlgorithm]] = {}

    def add(self, row: KeyAlgorithm) -> None:
        super().add(row)
        self._of_class.clear()

    def remove(self, row: KeyAlgorithm) -> None:
        super().remove(row)
        self._of_class.clear()

    def find(self, key: Any) -> KeyAlgorithm | None:
        """The row of a public key; None where there is none for its kind or curve."""
        rows = self._of_class.get(type(key))
        if rows is None:
            rows = self._learn(type(key))
        if not rows:
            return None
        return rows[None] if None in rows else rows.get(key.curve.name)

    def of(self, key: Any) -> KeyAlgorithm:
        """The row of a public key. Raises KeyProblem for a key of another kind or curve."""
        row = self.find(key)
        if row is not None:
            return row
        known = [one.name for one in self._of_class[type(key)].values()]
        if not known:
            kind = type(key).__name__.removesuffix("PublicKey")
            raise KeyProblem(f"keys of the kind {kind} are not supported")
        raise KeyProblem(
            f"the curve {key.curve.name} is not supported; {', '.join(known[:-1])} and {known[-1]} are"
        )

    def family(self, key: Any) -> str | None:
        """The family of a public key, whatever its curve; None where no kind of it is known."""
        rows = self._of_class.get(type(key)) or self._learn(type(key))
        return next((row.family for row in rows.values()), None)

    def _learn(self, cls: type[Any]) -> dict[str | None, KeyAlgorithm]:
        """The rows that a class of public keys may be of, by curve: the classes are abstract, and asking
        them takes its time."""
        rows = {
            row.curve.name if row.curve else None: row for row in self.values() if issubclass(cls, row.public)
        }
        self._of_class[cls] = rows
        return rows

    def makers(self) -> dict[str, Callable[[], SigningKey]]:
        """What an operator calls each key that can be made → how it is made."""
        return {name: make for row in self.values() for name, make in row.makers.items()}

    def preferred(self) -> list[KeyAlgorithm]:
        """Those made for devices, what the server likes best first."""
        ranked = [(row.rank, row) for row in self.values() if row.rank is not None]
        return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]

    def defaults(self) -> tuple[str, ...]:
        """Names of those certified where a policy does not say."""
        return tuple(row.name for row in self.values() if row.default)


class SignatureRegister(Register[SignatureAlgorithm]):
    """The signature algorithms."""

    def __init__(self) -> None:
        super().__init__()
        self.by_oid: dict[str, SignatureAlgorithm] = {}

    def add(self, row: SignatureAlgorithm) -> None:
        """Raises ValueError where the name or the OID is taken."""
        if row.oid in self.by_oid:
            raise ValueError(f"{row.oid} is registered already, as {self.by_oid[row.oid].name}")
        super().add(row)
        self.by_oid[row.oid] = row

    def remove(self, row: SignatureAlgorithm) -> None:
        super().remove(row)
        del self.by_oid[row.oid]

    def protecting(self) -> tuple[str, ...]:
        """Names of those that may protect messages."""
        return tuple(row.name for row in self.values() if row.protects)

    def defaults(self) -> tuple[str, ...]:
        """Names of those that may protect messages where a policy does not say."""
        return tuple(row.name for row in self.values() if row.protects and row.default)

    def suiting(self, key: KeyAlgorithm) -> list[SignatureAlgorithm]:
        """What to sign with such a key in, best first; nothing for a key that cannot sign."""
        fitting = [row for row in self.values() if row.protects and row.family == key.family]
        return sorted(fitting, key=lambda row: row.name != key.signature)


KEYS: Final = KeyRegister()
SIGNATURES: Final = SignatureRegister()


def register(rows: Iterable[KeyAlgorithm | SignatureAlgorithm]) -> None:
    """Take in the rows of a family. Raises ValueError where a name or an OID has a meaning already, or a key
    signs best in what is no signature algorithm of its family."""
    for row in rows:
        if isinstance(row, KeyAlgorithm):
            KEYS.add(row)
        else:
            SIGNATURES.add(row)
    for key in KEYS.values():
        if key.signs and key.signature not in (row.name for row in SIGNATURES.suiting(key)):
            raise ValueError(f"{key.name} keys cannot sign in {key.signature}")
    _name_oids()


def withdraw(rows: Iterable[KeyAlgorithm | SignatureAlgorithm]) -> None:
    """Undo `register`. Raises KeyError where a row is not there."""
    for row in rows:
        if isinstance(row, KeyAlgorithm):
            KEYS.remove(row)
        else:
            SIGNATURES.remove(row)
    _name_oids()


def _name_oids() -> None:
    OID_NAMES.clear()
    rows: list[_Row] = [*KEYS.values(), *SIGNATURES.values()]
    for row in rows:
        OID_NAMES.update(row.oid_names)
