"""Flips cells of the table of grants, to see that the judge finds it: nothing else here knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cmpd.cmp.parties.cells import Cell, Granted, Operation, Target, Unreachable
from cmpd.cmp.parties.conditions import Denial
from cmpd.cmp.parties.grants import TABLE
from cmpd.cmp.parties.party import Capacity
from cmpd.cmp.wire.failure import FailInfo
from tests.judge import model

ACTS = {
    Operation.IR: "ir",
    Operation.CR: "cr",
    Operation.P10CR: "p10cr",
    Operation.RA_VERIFIED: "raVerified",
    Operation.KEY_GENERATION: "key",
    Operation.KUR: "kur",
    Operation.REVOKE: "rr",
    Operation.HOLD: "hold",
    Operation.RELEASE: "release",
    Operation.CERTCONF: "certConf",
    Operation.ERROR: "error",
    Operation.POLLREQ: "pollReq",
    Operation.POPDECR: "popdecr",
    Operation.NESTED: "nested",
    Operation.ASK_PUBLIC: "genm",
    Operation.ASK_TEMPLATE: "template",
    Operation.BEGIN: "begin",
    Operation.POLICY_BY_DEFAULT: "default",
    Operation.POLICY_BY_IDENTIFIER: "identifier",
    Operation.POLICY_BY_PROFILE: "profile",
}
"""What the judge calls an operation."""


class Place(NamedTuple):
    """Where a cell stands."""

    capacity: Capacity
    operation: Operation
    whom: Target

    @property
    def cell(self) -> Cell:
        return TABLE[self.capacity][self.operation][self.whom]

    @property
    def judged(self) -> tuple[str, str, str]:
        """The cell as the judge calls it."""
        return str(self.capacity), ACTS[self.operation], str(self.whom)

    def __str__(self) -> str:
        return " / ".join(self.judged)


def places() -> list[Place]:
    """Every cell that can be reached."""
    return [
        Place(capacity, operation, whom)
        for capacity, rows in TABLE.items()
        for operation, row in rows.items()
        for whom, cell in row.items()
        if not isinstance(cell, Unreachable)
    ]


@contextmanager
def flipped(place: Place) -> Iterator[None]:
    """The table with one cell turned into its contrary."""
    row, cell = TABLE[place.capacity][place.operation], place.cell
    granting = isinstance(cell, Granted)
    row[place.whom] = Denial(FailInfo.addInfoNotAvailable, "flipped") if granting else Granted()
    try:
        yield
    finally:
        row[place.whom] = cell


def exercises(place: Place, asked: model.Request, verdict: model.Verdict) -> bool:
    """Whether a request comes to that cell."""
    if ACTS[place.operation] in ("certConf", "error", "pollReq", "popdecr"):
        by_others = place.whom is Target.OTHERS
        return asked.act in model.ENROLMENTS and verdict.granted and (by_others or _began(place, verdict))
    if verdict.party != place.capacity or verdict.act == "nested" != ACTS[place.operation]:
        return False
    match ACTS[place.operation]:
        case "default":
            return asked.address is None and not asked.profile
        case "identifier":
            return asked.address is not None
        case "profile":
            return bool(asked.profile)
        case "begin":
            return asked.begins
        case "key":
            return asked.keyless
        case "raVerified":
            return asked.vouched
    return not asked.vouched and (verdict.act, verdict.whom) == place.judged[1:]


def _began(place: Place, verdict: model.Verdict) -> bool:
    return verdict.party == place.capacity


SHADOWED = {
    (Capacity.LOGIN, Operation.KEY_GENERATION): "a key made here is never the one that signs (promise 6)",
}
"""Cells whose contrary nobody would see: another promise refuses the same."""
