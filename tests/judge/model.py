"""The judge's own words for a world, and for what is asked in it. Nothing of cmpd's is in here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ENROLMENTS = ("ir", "cr", "p10cr")
REVOCATIONS = {None: "rr", 1: "rr", 6: "hold", 8: "release"}
"""CRLReason → the act that it makes of an rr."""


@dataclass
class RARow:
    """A registration authority as a policy names it."""

    name: str
    rights: frozenset[str]
    certificates: frozenset[str] = frozenset()
    """Labels of certificates that are, or are under, what the row trusts."""
    entities: frozenset[str] = frozenset()
    common_names: str | None = None
    """What the subject's CN, its only attribute, has to match; None: any names."""
    dns: str | None = None
    """What each dNSName has to match, where `common_names` is there; other kinds of names match nothing."""

    def covers(self, subject: str, names: tuple[str, ...]) -> bool:
        if self.common_names is None:
            return True
        common = re.fullmatch(r"CN=([^,+=]*)", subject)
        return (
            common is not None
            and re.fullmatch(self.common_names, common[1]) is not None
            and all(self.dns is not None and re.fullmatch(self.dns, one) for one in names)
        )


@dataclass
class Policy:
    id: str
    name: str
    password_enrolment: bool = True
    password_login: bool = False
    password_revocation: bool = True
    central_key_generation: bool = False
    certificate_enrolment: bool = False
    auto_register: bool = False
    register: bool = False
    anchors: frozenset[str] = frozenset()
    """Vendors that it trusts."""
    ras: tuple[RARow, ...] = ()


@dataclass
class Entity:
    id: str
    policies: frozenset[str] = frozenset()
    blocked: bool = False
    uses: int | None = None


@dataclass
class Certificate:
    """One that was issued here, with a key that somebody has."""

    label: str
    subject: str
    names: tuple[str, ...] = ()
    entity: str | None = None
    policy: str | None = None
    """None: it is a CA's or a signer's."""
    state: str = "active"
    """active, revoked, on_hold, rejected or unconfirmed."""
    held_by: str | None = None
    expired: bool = False


@dataclass
class Foreign:
    """A certificate that somebody else issued."""

    label: str
    vendor: str
    entity: str | None = None
    """Whom it is registered for."""


@dataclass
class World:
    policies: dict[str, Policy] = field(default_factory=dict)
    default: str = ""
    entities: dict[str, Entity] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    foreign: dict[str, Foreign] = field(default_factory=dict)
    by_subject: dict[str, str] = field(default_factory=dict)
    """Subject, as it compares → the end entity that is registered for it."""
    cas: frozenset[str] = frozenset()
    """Subjects of CAs, signers and key generation authorities, as they compare."""

    def entity_of_subject(self, subject: str) -> Entity | None:
        return self.entities.get(self.by_subject.get(compared(subject), ""))


def compared(subject: str) -> str:
    """What is the same for names that match (RFC 5280, section 7.1), of the names that the judge makes."""
    return re.sub(" +", " ", subject.lower()).strip()


@dataclass(frozen=True)
class Sender:
    """Who sends a request, and how it is protected."""

    how: str
    """nothing, password, login, certificate (issued here), foreign (of others) or unknown (self-made)."""
    who: str = ""
    """The end entity's id, or the label of a certificate."""
    basic: str | None = None
    """An end entity that HTTP Basic authentication proves beside."""
    right_secret: bool = True
    own_key: bool = True
    """Of a login: whether the key that signs is the one that a certificate is asked for."""
    key: str = ""
    """Of a login: the label of the certificate whose key signs, where it is one's."""


@dataclass(frozen=True)
class Request:
    act: str
    """ir, cr, p10cr, kur, rr, hold, release, genm, template, nested, certConf, pollReq, popdecr or error."""
    sender: Sender
    address: str | None = None
    """The policy that the address names, by id or name; None: the default one."""
    profile: str = ""
    subject: str = "CN=pump-1"
    names: tuple[str, ...] = ()
    target: str | None = None
    """The label of the certificate that it is about."""
    vouched: bool = False
    """Whether possession is not proved, but said to be verified."""
    keyless: bool = False
    """Whether the key is to be made by the server."""
    began: Sender | None = None
    """Of a later message: who began the transaction."""

    @property
    def begins(self) -> bool:
        return self.act not in ("certConf", "pollReq", "popdecr", "error", "nested")


@dataclass
class Verdict:
    party: str
    act: str
    whom: str
    refusals: set[str]
    """The failInfo of each promise that refuses it."""
    policy: Policy | None = None
    entity: str | None = None
    """Of an enrolment that is granted: whom the certificate is for; ``new``: an end entity that is made."""
    hidden: bool = False
    """Whether the policy is one that the sender must not learn of (5)."""

    @property
    def granted(self) -> bool:
        return not self.refusals
