"""What a cell of the table of grants can say, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cmpd.cmp.parties.conditions import Condition, Refused


class Operation(StrEnum):
    """What may be granted."""

    POLICY_BY_DEFAULT = "policy by default"
    POLICY_BY_IDENTIFIER = "policy by identifier"
    POLICY_BY_PROFILE = "policy by certProfile"
    BEGIN = "beginning a transaction"
    """Sending the first message of one."""
    IR = "ir"
    CR = "cr"
    P10CR = "p10cr"
    RA_VERIFIED = "raVerified"
    KEY_GENERATION = "central key generation"
    KUR = "kur"
    REVOKE = "rr"
    HOLD = "rr: certificateHold"
    RELEASE = "rr: removeFromCRL"
    CERTCONF = "certConf"
    POLLREQ = "pollReq"
    POPDECR = "popdecr"
    ERROR = "error"
    NESTED = "nested"
    ASK_PUBLIC = "genm: public"
    """A question whose answer anybody may know."""
    ASK_TEMPLATE = "genm: certReqTemplate"


class Whom(StrEnum):
    """Whom it is about, seen from the party."""

    NONE = "-"
    """Nobody in particular."""
    ITSELF = "itself"
    """The protection certificate, or a certificate with its very names; the transaction that it began."""
    ENTITY = "its end entity"
    """The party's end entity, or another certificate of it."""
    OTHERS = "others"
    HOUSE = "the house"
    """A CA here, its CMP signer or key generation authority."""


@dataclass(frozen=True, slots=True)
class Granted:
    """It is granted where all of the conditions hold."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No request gets there."""

    why: str


Cell = Granted | Refused | Unreachable
Row = dict[Whom, Cell]

_NAMES = (Whom.ITSELF, Whom.ENTITY, Whom.OTHERS, Whom.HOUSE)
ABOUT: Final[dict[Operation, tuple[Whom, ...]]] = {
    Operation.POLICY_BY_DEFAULT: (Whom.NONE,),
    Operation.POLICY_BY_IDENTIFIER: (Whom.NONE,),
    Operation.POLICY_BY_PROFILE: (Whom.NONE,),
    Operation.BEGIN: (Whom.NONE,),
    Operation.IR: _NAMES,
    Operation.CR: _NAMES,
    Operation.P10CR: _NAMES,
    Operation.RA_VERIFIED: (Whom.NONE,),
    Operation.KEY_GENERATION: (Whom.NONE,),
    Operation.KUR: _NAMES,
    Operation.REVOKE: _NAMES,
    Operation.HOLD: _NAMES,
    Operation.RELEASE: _NAMES,
    Operation.CERTCONF: (Whom.ITSELF, Whom.OTHERS),
    Operation.POLLREQ: (Whom.ITSELF, Whom.OTHERS),
    Operation.POPDECR: (Whom.ITSELF, Whom.OTHERS),
    Operation.ERROR: (Whom.ITSELF, Whom.OTHERS),
    Operation.NESTED: (Whom.NONE,),
    Operation.ASK_PUBLIC: (Whom.NONE,),
    Operation.ASK_TEMPLATE: (Whom.NONE,),
}
"""Whom each operation can be about."""
