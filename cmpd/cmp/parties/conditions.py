"""Conditions of grants: what has to hold beside the cell, each named, with the refusal where it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cmpd.clm.model import CertificateState, EntityState
from cmpd.cmp.parties.party import Capacity, Party
from cmpd.cmp.protection.protection_certs import key_name
from cmpd.cmp.wire.failure import FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cryptography import x509

    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.model import Certificate, Entity


@quick_dataclass(frozen=True, slots=True)
class Facts:
    """What conditions look at: the party, the policy, and whom it is about."""

    party: Party
    policy: Policy
    """The policy that the request is served under."""
    profile: str = ""
    """The certProfile that chose the policy."""
    record: Certificate | None = None
    """The certificate that it is about, where there is one already."""
    issued_under: Policy | None = None
    """The policy of that certificate."""
    beneficiary: Entity | None = None
    """The end entity that a certificate is for."""
    key_hash: bytes = b""
    """SHA-256 of the SubjectPublicKeyInfo that a certificate is asked for."""
    subject: x509.Name | None = None
    names: Sequence[x509.GeneralName] = ()
    """Subject and subjectAltName of the certificate that is asked for, or that it is about."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why it is not granted, as the client is told."""

    fail_info: FailInfo
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold for a grant."""

    name: str
    """As the printed table has it."""
    holds: Callable[[Facts], bool]
    otherwise: Denial
    setting: str = ""
    """The key of the policy, or of its row for an RA, that decides it alone; empty: the request does."""


NOT_TRUSTED: Final = "the protection certificate is not trusted"
"""What a client is told whose certificate leads to no trust anchor of a policy that it named, or of none."""
NOT_VERIFIED: Final = "protection does not verify: the reference is not known or the secret is another"


def not_authorized(text: str) -> Denial:
    return Denial(FailInfo.notAuthorized, text)


def _may_use(entity: Entity | None, policy: Policy) -> bool:
    return entity is not None and entity.state is EntityState.ACTIVE and policy.id in entity.policies


def given_to_entity(otherwise: Denial) -> Condition:
    """The end entity has the policy among its own."""
    return Condition("its end entity has the policy", lambda f: _may_use(f.party.entity, f.policy), otherwise)


def issued_under_it(otherwise: Denial) -> Condition:
    """The protection certificate was issued under this policy."""
    return Condition(
        "it was issued under the policy",
        lambda f: f.party.record is not None and f.party.record.policy == f.policy.id,
        otherwise,
    )


def registers(otherwise: Denial) -> Condition:
    """The policy makes end entities of those who ask."""
    return Condition("auto_register", lambda f: f.policy.auto_register, otherwise, "auto_register")


def vouched_for(otherwise: Denial) -> Condition:
    """The trust anchor above the protection certificate is one of this policy's."""
    return Condition(
        "a trust anchor of the policy is above it",
        lambda f: f.party.anchor in f.policy.trust_anchors,
        otherwise,
    )


def login(otherwise: Denial) -> Condition:
    """The policy takes HTTP Basic authentication for proof of who asks."""
    return Condition("password_login", lambda f: f.policy.password_login, otherwise, "password_login")


def named(*, foreign: bool, otherwise: Denial) -> Condition:
    """The policy has the row of the registration authority, whose certificate others issued (`foreign`), or
    this server; of the other kind it says nothing."""
    return Condition(
        "the policy names it",
        lambda f: f.party.ra in f.policy.ras or foreign is (f.party.record is not None),
        otherwise,
    )


def right(name: str) -> Condition:
    """The registration authority's row has that right."""
    return Condition(
        f"right {name}",
        lambda f: f.party.ra is not None and name in f.party.ra.rights,
        not_authorized(f"this registration authority was not given the right {name}"),
        f"rights: {name}",
    )


USES_LEFT: Final = Condition(
    "its password has uses left",
    lambda f: f.party.entity is not None and f.party.entity.password_uses != 0,
    Denial(FailInfo.badMessageCheck, NOT_VERIFIED),
)
PASSWORD_ENROLMENT: Final = Condition(
    "password_enrolment",
    lambda f: f.policy.password_enrolment,
    Denial(FailInfo.wrongIntegrity, "enrolment requires a signature under this policy"),
    "password_enrolment",
)
OWN_KEY: Final = Condition(
    "it asks for the key that signs",
    lambda f: f.party.entity is not None and f.party.name == key_name(f.key_hash, f.party.entity.id),
    not_authorized("the message is not signed with the key a certificate is asked for"),
)
CERTIFICATE_ENROLMENT: Final = Condition(
    "certificate_enrolment",
    lambda f: f.policy.certificate_enrolment,
    not_authorized("a certificate without an end entity updates and revokes itself only"),
    "certificate_enrolment",
)
CENTRAL_KEY_GENERATION: Final = Condition(
    "central_key_generation",
    lambda f: f.policy.central_key_generation,
    Denial(
        FailInfo.badCertTemplate,
        "publicKey: it is missing, and this policy does not generate keys",
    ),
    "central_key_generation",
)
PASSWORD_REVOCATION: Final = Condition(
    "password_revocation",
    lambda f: f.policy.password_revocation and (f.issued_under is None or f.issued_under.password_revocation),
    Denial(FailInfo.wrongIntegrity, "revocation requires a signature under this policy"),
    "password_revocation",
)
COVERED_NAMES: Final = Condition(
    "its patterns cover the names",
    lambda f: f.party.ra is not None and f.subject is not None and f.party.ra.covers(f.subject, f.names),
    not_authorized("this registration authority does not speak for a certificate with these names"),
)
OF_THIS_POLICY: Final = Condition(
    "the certificate is of this policy",
    lambda f: f.record is not None and f.record.policy == f.policy.id,
    not_authorized("the certificate was not issued under the policy that trusts this RA"),
)
BENEFICIARY: Final = Condition(
    "the end entity of that name may use the policy",
    lambda f: f.beneficiary is None or _may_use(f.beneficiary, f.policy),
    not_authorized("the end entity that the certificate is for may not use this policy"),
)
OWN_POLICY: Final = Condition(
    "the policy is one of its own",
    lambda f: (
        _may_use(f.party.entity, f.policy)
        if f.party.entity is not None
        else f.record is not None and f.record.policy == f.policy.id
    ),
    not_authorized("the registration authority's own certificate is not updated under this policy"),
)


def _held_below(facts: Facts) -> bool:
    if facts.record is None or facts.record.state is not CertificateState.ON_HOLD:
        return True  # there is nothing to release, which is not for the grants to say
    held_by = facts.record.held_by
    if held_by is None:
        return False
    if held_by == facts.party.actor:
        return True
    below = held_by.startswith(("entity:", "certificate:"))
    return facts.party.capacity is Capacity.RA and below


HELD_BELOW: Final = Condition(
    "it or somebody below put it on hold",
    _held_below,
    not_authorized("the certificate was put on hold by somebody else, who has to release it"),
)
