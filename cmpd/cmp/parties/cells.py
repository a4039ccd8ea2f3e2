"""What a cell of the table of grants can say, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cmpd.cmp.parties.conditions import Condition, Denial


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


class Target(StrEnum):
    """Whom it is about, seen from the party."""

    NONE = "-"
    """Nobody in particular."""
    ITSELF = "itself"
    """The protection certificate, or a certificate with its very names; the transaction that it began."""
    ENTITY = "its end entity"
    """The party's end entity, or another certificate of it."""
    OTHERS = "others"
    CAS = "CAs"
    """A CA here, its CMP signer or key generation authority."""


@dataclass(frozen=True, slots=True)
class Granted:
    """It is granted where all of the conditions hold."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No request gets there."""

    why: str


Cell = Granted | Denial | Unreachable
Row = dict[Target, Cell]

_NAMES = (Target.ITSELF, Target.ENTITY, Target.OTHERS, Target.CAS)
ABOUT: Final[dict[Operation, tuple[Target, ...]]] = {
    Operation.POLICY_BY_DEFAULT: (Target.NONE,),
    Operation.POLICY_BY_IDENTIFIER: (Target.NONE,),
    Operation.POLICY_BY_PROFILE: (Target.NONE,),
    Operation.BEGIN: (Target.NONE,),
    Operation.IR: _NAMES,
    Operation.CR: _NAMES,
    Operation.P10CR: _NAMES,
    Operation.RA_VERIFIED: (Target.NONE,),
    Operation.KEY_GENERATION: (Target.NONE,),
    Operation.KUR: _NAMES,
    Operation.REVOKE: _NAMES,
    Operation.HOLD: _NAMES,
    Operation.RELEASE: _NAMES,
    Operation.CERTCONF: (Target.ITSELF, Target.OTHERS),
    Operation.POLLREQ: (Target.ITSELF, Target.OTHERS),
    Operation.POPDECR: (Target.ITSELF, Target.OTHERS),
    Operation.ERROR: (Target.ITSELF, Target.OTHERS),
    Operation.NESTED: (Target.NONE,),
    Operation.ASK_PUBLIC: (Target.NONE,),
    Operation.ASK_TEMPLATE: (Target.NONE,),
}
"""Whom each operation can be about."""
