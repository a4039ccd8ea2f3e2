"""What is granted: which party may do what about whom, under which condition.

Everything that says who may is in `TABLE`; handlers ask `require` and decide nothing of the kind. The table
is total: each capacity has a row for each operation, and each row a cell for each subject that the operation
can be about. A cell grants, refuses, or says why nobody gets there; what has no row is refused. `table()`
prints it, as docs/security.md shows it. (RFC 9483, sections 3.5, 5.1
and 5.2; RFC 9810, sections 5.2.8 and 5.3.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cmpd.cmp.parties import conditions as when
from cmpd.cmp.parties.cells import ABOUT, Cell, Granted, Operation, Row, Target, Unreachable
from cmpd.cmp.parties.conditions import Condition, Denial, Facts, not_authorized
from cmpd.cmp.parties.party import Capacity, Party
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import Policy

INVALID_IDENTIFIER: Final = "invalid identifier"
"""What a client is told of a policy that it named and cannot use, whatever the reason."""


_BY_DEFAULT = not_authorized("the end entity may not use the policy of this address")
_NO_ENTITY = not_authorized("no end entity is registered for this protection certificate")
_INVALID = Denial(FailInfo.badRequest, INVALID_IDENTIFIER)
_UNKNOWN_PROFILE = Denial(FailInfo.badRequest, "certProfile {profile!r} is not known")
_UNTRUSTED = Denial(FailInfo.signerNotTrusted, when.NOT_TRUSTED)
_OF_CAS = not_authorized("subject: this name belongs to a certification authority of this server")
_NOT_ITS_OWN = not_authorized("the certificate is not the requester's to revoke")
_OWN_SIGNATURE = not_authorized(
    "the certificate is revoked by its own signature, or by its end entity's password"
)
_SIGNATURE_FOR_UPDATE = Denial(
    FailInfo.wrongIntegrity, "a key update requires the signature of the certificate being updated"
)
_ISSUED_FOR_UPDATE = not_authorized(
    "a key update requires the signature of a certificate that this server issued"
)
_OLD_CERT_ID = Denial(FailInfo.badCertId, "oldCertID is not the certificate that protects the message")
_OTHER_NAMES = not_authorized("subject: a certificate without an end entity gets its own names only")
_ANOTHERS = Denial(FailInfo.badMessageCheck, "the message is not protected by who began the transaction")
_NO_RA = not_authorized("nested messages are for registration authorities that the policy trusts")
_NOT_VERIFIED = not_authorized("raVerified is for registration authorities")
_KEY_FOR_OTHERS = not_authorized(
    "a key is made for nobody but the end entity that protects the request itself"
)
_PROTECTED = Denial(FailInfo.badMessageCheck, "certReqTemplate requires a protected message")

_UNHEARD = Unreachable("without protection only genm is heard")
_NO_CERTIFICATE = Unreachable("it has no certificate that was issued here and signs")
_ITS_ENTITYS = Unreachable("what it asks for is its end entity's; the policy says which names that may have")
_NAMELESS = Unreachable("it has no end entity")
_REGISTERED = Unreachable("what it began made an end entity of it")
_AN_RA = Unreachable("a registration authority asks for others")
_NOT_LOOKED_UP = Unreachable("of another oldCertID nothing is looked up")


def _of(*cells: Condition) -> Granted:
    return Granted(cells)


def _names(itself: Cell, entity: Cell, others: Cell, cas: Cell) -> Row:
    return {Target.ITSELF: itself, Target.ENTITY: entity, Target.OTHERS: others, Target.CAS: cas}


def _policies(default: Cell, identifier: Cell, profile: Cell) -> dict[Operation, Row]:
    return {
        Operation.POLICY_BY_DEFAULT: {Target.NONE: default},
        Operation.POLICY_BY_IDENTIFIER: {Target.NONE: identifier},
        Operation.POLICY_BY_PROFILE: {Target.NONE: profile},
    }


def _enrolments(row: Row) -> dict[Operation, Row]:
    return {operation: dict(row) for operation in (Operation.IR, Operation.CR, Operation.P10CR)}


def _revocations(revoke: Row, hold: Row, release: Row) -> dict[Operation, Row]:
    return {Operation.REVOKE: revoke, Operation.HOLD: hold, Operation.RELEASE: release}


def _later(itself: Cell, others: Cell) -> dict[Operation, Row]:
    operations = (Operation.CERTCONF, Operation.POLLREQ, Operation.POPDECR, Operation.ERROR)
    return {operation: {Target.ITSELF: itself, Target.OTHERS: others} for operation in operations}


def _single(
    begin: Cell, verified: Cell, generation: Cell, nested: Cell, public: Cell, template: Cell
) -> dict[Operation, Row]:
    return {
        Operation.BEGIN: {Target.NONE: begin},
        Operation.RA_VERIFIED: {Target.NONE: verified},
        Operation.KEY_GENERATION: {Target.NONE: generation},
        Operation.NESTED: {Target.NONE: nested},
        Operation.ASK_PUBLIC: {Target.NONE: public},
        Operation.ASK_TEMPLATE: {Target.NONE: template},
    }


_YES = _of()
_MADE_HERE = _of(when.CENTRAL_KEY_GENERATION)
_REFUSED_REVOCATION = _names(_NO_CERTIFICATE, _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN)

TABLE: Final[dict[Capacity, dict[Operation, Row]]] = {
    Capacity.NOBODY: {
        **_policies(_YES, _YES, _YES),
        **_enrolments(_names(_UNHEARD, _UNHEARD, _UNHEARD, _UNHEARD)),
        Operation.KUR: _names(_UNHEARD, _UNHEARD, _UNHEARD, _UNHEARD),
        **_revocations(*(_names(_UNHEARD, _UNHEARD, _UNHEARD, _UNHEARD) for _ in range(3))),
        **_later(_UNHEARD, _UNHEARD),
        **_single(_YES, _UNHEARD, _UNHEARD, _UNHEARD, _YES, _PROTECTED),
    },
    Capacity.PASSWORD: {
        **_policies(
            _of(when.given_to_entity(_BY_DEFAULT)),
            _of(when.given_to_entity(_INVALID)),
            _of(when.given_to_entity(_UNKNOWN_PROFILE)),
        ),
        **_enrolments(_names(_NO_CERTIFICATE, _of(when.PASSWORD_ENROLMENT), _ITS_ENTITYS, _OF_CAS)),
        Operation.KUR: _names(_NO_CERTIFICATE, _NOT_LOOKED_UP, _SIGNATURE_FOR_UPDATE, _NOT_LOOKED_UP),
        **_revocations(
            _names(_NO_CERTIFICATE, _of(when.PASSWORD_REVOCATION), _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_NO_CERTIFICATE, _of(when.PASSWORD_REVOCATION), _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(
                _NO_CERTIFICATE,
                _of(when.PASSWORD_REVOCATION, when.HELD_BELOW),
                _NOT_ITS_OWN,
                _NOT_ITS_OWN,
            ),
        ),
        **_later(_YES, _ANOTHERS),
        **_single(_of(when.USES_LEFT), _NOT_VERIFIED, _MADE_HERE, _NO_RA, _YES, _YES),
    },
    Capacity.LOGIN: {
        **_policies(
            _of(when.login(_UNTRUSTED), when.given_to_entity(_UNTRUSTED)),
            _of(when.login(_UNTRUSTED), when.given_to_entity(_UNTRUSTED)),
            _of(when.login(_UNTRUSTED), when.given_to_entity(_UNTRUSTED)),
        ),
        **_enrolments(_names(_NO_CERTIFICATE, _of(when.OWN_KEY), _ITS_ENTITYS, _OF_CAS)),
        Operation.KUR: _names(_NO_CERTIFICATE, _NOT_LOOKED_UP, _ISSUED_FOR_UPDATE, _NOT_LOOKED_UP),
        **_revocations(
            _names(_YES, _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_YES, _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_of(when.HELD_BELOW), _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
        ),
        **_later(_YES, _ANOTHERS),
        **_single(_of(when.USES_LEFT), _NOT_VERIFIED, _KEY_FOR_OTHERS, _NO_RA, _YES, _YES),
    },
    Capacity.CERTIFICATE: {
        **_policies(
            _of(when.given_to_entity(_BY_DEFAULT)),
            _of(when.given_to_entity(_INVALID)),
            _of(when.given_to_entity(_UNKNOWN_PROFILE)),
        ),
        **_enrolments(_names(_ITS_ENTITYS, _YES, _ITS_ENTITYS, _OF_CAS)),
        Operation.KUR: _names(_YES, _NOT_LOOKED_UP, _OLD_CERT_ID, _OF_CAS),
        **_revocations(
            _names(_YES, _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_YES, _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_of(when.HELD_BELOW), _OWN_SIGNATURE, _NOT_ITS_OWN, _NOT_ITS_OWN),
        ),
        **_later(_YES, _ANOTHERS),
        **_single(_YES, _NOT_VERIFIED, _MADE_HERE, _NO_RA, _YES, _YES),
    },
    Capacity.UNREGISTERED: {
        **_policies(
            _of(when.issued_under_it(_BY_DEFAULT)),
            _of(when.issued_under_it(_INVALID)),
            _of(when.issued_under_it(_UNKNOWN_PROFILE)),
        ),
        **_enrolments(_names(_of(when.CERTIFICATE_ENROLMENT), _NAMELESS, _OTHER_NAMES, _OF_CAS)),
        Operation.KUR: _names(_YES, _NAMELESS, _OLD_CERT_ID, _OF_CAS),
        **_revocations(
            _names(_YES, _NAMELESS, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_YES, _NAMELESS, _NOT_ITS_OWN, _NOT_ITS_OWN),
            _names(_of(when.HELD_BELOW), _NAMELESS, _NOT_ITS_OWN, _NOT_ITS_OWN),
        ),
        **_later(_YES, _ANOTHERS),
        **_single(_YES, _NOT_VERIFIED, _MADE_HERE, _NO_RA, _YES, _YES),
    },
    Capacity.VENDOR: {
        **_policies(
            _of(when.vouched_for(_UNTRUSTED), when.given_to_entity(_NO_ENTITY)),
            _of(when.vouched_for(_UNTRUSTED), when.given_to_entity(_UNTRUSTED)),
            _of(when.vouched_for(_UNTRUSTED), when.given_to_entity(_UNTRUSTED)),
        ),
        **_enrolments(_names(_NO_CERTIFICATE, _YES, _ITS_ENTITYS, _OF_CAS)),
        Operation.KUR: _names(_NO_CERTIFICATE, _NOT_LOOKED_UP, _ISSUED_FOR_UPDATE, _NOT_LOOKED_UP),
        **_revocations(*(dict(_REFUSED_REVOCATION) for _ in range(3))),
        **_later(_YES, _ANOTHERS),
        **_single(_YES, _NOT_VERIFIED, _MADE_HERE, _NO_RA, _YES, _YES),
    },
    Capacity.NEWCOMER: {
        **_policies(
            _of(when.vouched_for(_UNTRUSTED), when.registers(_NO_ENTITY)),
            _of(when.vouched_for(_UNTRUSTED), when.registers(_UNTRUSTED)),
            _of(when.vouched_for(_UNTRUSTED), when.registers(_UNTRUSTED)),
        ),
        **_enrolments(_names(_NO_CERTIFICATE, _YES, _ITS_ENTITYS, _OF_CAS)),
        Operation.KUR: _names(_NO_CERTIFICATE, _NAMELESS, _ISSUED_FOR_UPDATE, _NOT_LOOKED_UP),
        **_revocations(*(_names(_NO_CERTIFICATE, _NAMELESS, _NOT_ITS_OWN, _NOT_ITS_OWN) for _ in range(3))),
        **_later(_REGISTERED, _ANOTHERS),
        **_single(_YES, _NOT_VERIFIED, _MADE_HERE, _NO_RA, _YES, _YES),
    },
    Capacity.RA: {
        **_policies(
            _of(
                when.named(foreign=True, otherwise=_UNTRUSTED),
                when.named(foreign=False, otherwise=_BY_DEFAULT),
            ),
            _of(
                when.named(foreign=True, otherwise=_UNTRUSTED), when.named(foreign=False, otherwise=_INVALID)
            ),
            _of(
                when.named(foreign=True, otherwise=_UNTRUSTED),
                when.named(foreign=False, otherwise=_UNKNOWN_PROFILE),
            ),
        ),
        **_enrolments(
            _names(_AN_RA, _AN_RA, _of(when.right("enrol"), when.COVERED_NAMES, when.BENEFICIARY), _OF_CAS)
        ),
        Operation.KUR: _names(
            _of(when.OWN_POLICY),
            _AN_RA,
            _of(when.right("update"), when.OF_THIS_POLICY, when.COVERED_NAMES, when.BENEFICIARY),
            when.OF_THIS_POLICY.otherwise,
        ),
        **_revocations(
            _names(
                _YES,
                _AN_RA,
                _of(when.right("revoke"), when.OF_THIS_POLICY, when.COVERED_NAMES),
                when.OF_THIS_POLICY.otherwise,
            ),
            _names(
                _YES,
                _AN_RA,
                _of(when.right("hold"), when.OF_THIS_POLICY, when.COVERED_NAMES),
                when.OF_THIS_POLICY.otherwise,
            ),
            _names(
                _of(when.HELD_BELOW),
                _AN_RA,
                _of(when.right("release"), when.OF_THIS_POLICY, when.COVERED_NAMES, when.HELD_BELOW),
                when.OF_THIS_POLICY.otherwise,
            ),
        ),
        **_later(_YES, _ANOTHERS),
        **_single(_YES, _of(when.right("raVerified")), _KEY_FOR_OTHERS, _of(when.right("nest")), _YES, _YES),
    },
}
"""(capacity, operation, whom) → whether it is granted."""


def may_use(party: Party, policy: Policy) -> bool:
    """Whether a party may use a policy, and so learn that it is there."""
    return refused(Operation.POLICY_BY_DEFAULT, Target.NONE, Facts(party, policy)) is None


def require(operation: Operation, whom: Target, facts: Facts) -> None:
    """Returns where it is granted. Raises CMPFailure where it is not."""
    refusal = refused(operation, whom, facts)
    if refusal is not None:
        party = facts.party
        raise CMPFailure(
            refusal.fail_info,
            refusal.text.format(profile=facts.profile),
            detail=f"{party.actor or 'nobody'} as {party.capacity}: {operation} about {whom}, "
            f"policy {facts.policy.id}",
        )


def refused(operation: Operation, whom: Target, facts: Facts) -> Denial | None:
    """Why it is not granted; None where it is."""
    cell = TABLE[facts.party.capacity][operation][whom]
    if isinstance(cell, Denial):
        return cell
    if isinstance(cell, Unreachable):
        return Denial(FailInfo.notAuthorized, f"{operation} is not for this requester")
    for condition in cell.conditions:
        if not condition.holds(facts):
            return condition.otherwise
    return None


def table() -> str:
    """The grants as text: a block a capacity; operations that are granted alike stand together."""
    return "\n\n".join(_block(capacity) for capacity in Capacity)


def _block(capacity: Capacity) -> str:
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for operation in ABOUT:
        alike.setdefault(_cells(TABLE[capacity][operation]), []).append(str(operation))
    lines = [f"{capacity}:"]
    for cells, operations in alike.items():
        lines.append(f"  {', '.join(operations)}")
        lines += [f"    {'' if whom == Target.NONE else f'about {whom}: '}{text}" for whom, text in cells]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[tuple[str, str], ...]:
    """(whom, what the cell says), where several say the same once for all of them."""
    alike: dict[str, list[str]] = {}
    for whom, cell in row.items():
        alike.setdefault(_text(cell), []).append(str(whom))
    return tuple((", ".join(whoms), text) for text, whoms in alike.items())


def _text(cell: Cell) -> str:
    if isinstance(cell, Denial):
        return cell.fail_info.name
    if isinstance(cell, Unreachable):
        return f"cannot be: {cell.why}"
    conditions = ", ".join(f"{one.name} (else {one.otherwise.fail_info.name})" for one in cell.conditions)
    return f"granted, if {conditions}" if conditions else "granted"
