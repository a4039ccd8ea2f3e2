"""Certification paths to a trust anchor: built and validated (RFC 5280, section 6.1).

`cryptography.x509.verification` is not used: it refuses Ed25519 and Ed448 keys, which vendor
certificates have, and does not say which certificate of a path is at fault, which a client must be told.
Signatures and names are checked by `cryptography` all the same.

All that an unauthenticated peer sends is bounded: the length of a path, and how many issuers are tried. A
certificate configured as an anchor may itself be the leaf: it is trusted as it is. Anchors must be in their
validity and obey their own constraints. No certificate policy is demanded, and a path that demands one is
refused. Revocation is not looked at: what was issued here the store knows, of others `cmpd.clm.imported_crls`
does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtensionOID

from cmpd.clm.pkix import name_constraints

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_PATH: Final = 8
"""Certificates, leaf and anchor included."""
MOST_STEPS: Final = 32
"""Issuers tried for one path, each at the price of a signature check."""
RSA_BITS: Final = range(2048, 8193)
"""Smaller issuer keys are weak, larger ones would let an unauthenticated peer waste CPU."""
LONGEST_NAME: Final = 128
"""Characters of a subject in an error's text."""

UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)
"""Extensions that may be critical. Those about policies decide nothing while no policy is demanded."""


class Fault(StrEnum):
    """What is wrong with a path."""

    MISSING_ISSUER = "missing issuer"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    NOT_A_CA = "not a CA"
    PATH_LENGTH = "path length"
    SIGNATURE = "signature"
    WEAK = "weak algorithm"
    CRITICAL_EXTENSION = "critical extension"
    POLICY = "policy demanded"
    NAMES = "name constraints"
    MALFORMED = "malformed"
    TOO_MANY = "too many candidates"


class PathError(Exception):
    """There is no valid path; the text says at which certificate, and why."""

    def __init__(self, kind: Fault, certificate: x509.Certificate, text: str) -> None:
        super().__init__(f"certificate {describe(certificate.subject)} {text}")
        self.kind = kind
        self.certificate = certificate


def describe(name: x509.Name) -> str:
    """RFC 4514 text of a name, cut where it is long; ``(empty)`` for none."""
    text = name.rfc4514_string() or "(empty)"
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


@lru_cache(maxsize=1024)
def _load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


Weakness = Callable[[x509.Certificate], "str | None"]
"""What is wrong with the key of a certificate of a path, leaf and what is below the anchor; None: nothing."""


def build_path(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[bytes],
    now: int,
    weakness: Weakness = lambda certificate: None,
) -> list[x509.Certificate]:
    """A valid path from `leaf` to one of the `anchors` (DER), both included.

    `intermediates` come from wherever, in any order; `now` in seconds since the epoch. Raises PathError for
    the fault of the path that came nearest to an anchor.
    """
    search = _Search(list(intermediates), [_load(der) for der in anchors], now, weakness)
    path = search.extend([leaf])
    if path is None:
        assert search.fault is not None  # noqa: S101 - extend notes why it gives up
        raise search.fault
    return path


@dataclass(slots=True)
class _Search:
    """Depth first from the leaf upwards; anchors are tried before intermediates."""

    intermediates: list[x509.Certificate]
    anchors: list[x509.Certificate]
    now: int
    weakness: Weakness
    steps: int = 0
    fault: PathError | None = None
    reached: int = 0
    """Length of the path at which `fault` was found."""

    def extend(self, path: list[x509.Certificate]) -> list[x509.Certificate] | None:
        """`path`, completed to an anchor and validated; None where that fails, noting the fault."""
        last = path[-1]
        try:
            if last in self.anchors:
                validate(path, self.now)
                self._check_keys(path)
                return path
            candidates = self._issuers(last, path)
        except PathError as error:
            self._note(error, path)
            return None
        for issuer in candidates:
            self.steps += 1
            if self.steps > MOST_STEPS:
                self._note(PathError(Fault.TOO_MANY, last, "has too many candidate issuers"), path)
                return None
            try:
                _verify_signature(last, issuer)
            except PathError as error:
                self._note(error, path)
                continue
            found = self.extend([*path, issuer])
            if found is not None:
                return found
        return None

    def _check_keys(self, path: list[x509.Certificate]) -> None:
        for certificate in path[:-1] or path:
            text = self.weakness(certificate)
            if text is not None:
                raise PathError(Fault.WEAK, certificate, text)

    def _issuers(self, certificate: x509.Certificate, path: list[x509.Certificate]) -> list[x509.Certificate]:
        """Who may have issued the last certificate of a path. Raises PathError where nobody may."""
        found = [
            candidate
            for candidate in (*self.anchors, *self.intermediates)
            if candidate.subject == certificate.issuer
            and candidate not in path
            and _key_identifiers_match(certificate, candidate)
        ]
        if not found:
            text = f"has an issuer that is not at hand, {describe(certificate.issuer)}"
            raise PathError(Fault.MISSING_ISSUER, certificate, text)
        if len(path) == LONGEST_PATH:
            text = f"is at the end of a path of {LONGEST_PATH} certificates without a trust anchor"
            raise PathError(Fault.PATH_LENGTH, certificate, text)
        return found

    def _note(self, error: PathError, path: list[x509.Certificate]) -> None:
        if self.fault is None or len(path) > self.reached:
            self.fault, self.reached = error, len(path)


def validate(path: Sequence[x509.Certificate], now: int) -> None:
    """Check all but the signatures of a path, leaf to anchor (RFC 5280, section 6.1). Raises PathError."""
    leaf, anchor = path[0], path[-1]
    constraints: list[x509.NameConstraints] = []
    more: int | None = None
    """CA certificates, not self-issued, that may still follow (max_path_length)."""
    for certificate in reversed(path):
        _check_validity(certificate, now)
        _check_critical(certificate)
        if certificate is not anchor:
            _check_strength(certificate)
            if certificate is leaf or certificate.subject != certificate.issuer:
                _check_names(certificate, constraints)
        if certificate is leaf:
            break
        limit = _check_ca(certificate)
        if certificate is not anchor and certificate.subject != certificate.issuer and more is not None:
            if more == 0:
                raise PathError(Fault.PATH_LENGTH, certificate, "exceeds the path length its issuers allow")
            more -= 1
        more = limit if more is None else more if limit is None else min(more, limit)
        own = extension(certificate, x509.NameConstraints)
        if own is not None:
            constraints.append(own)


ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


def extension(certificate: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    """An extension's value, None where absent. Raises PathError where the extensions are malformed."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension) as error:
        raise PathError(Fault.MALFORMED, certificate, f"has malformed extensions: {error}") from None


def _key_identifiers_match(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether authorityKeyIdentifier, as far as it is there, is the issuer's (RFC 5280, section 4.2.1.1)."""
    try:
        authority = extension(certificate, x509.AuthorityKeyIdentifier)
        subject = extension(issuer, x509.SubjectKeyIdentifier)
    except PathError:
        return True  # validation will say what is malformed
    if authority is None:
        return True
    if authority.authority_cert_serial_number not in (None, issuer.serial_number):
        return False
    return None in (authority.key_identifier, subject) or (
        subject is not None and authority.key_identifier == subject.digest
    )


def _verify_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        key = issuer.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size not in RSA_BITS:
            expected = f"{RSA_BITS.start} to {RSA_BITS[-1]} are accepted"
            raise PathError(Fault.WEAK, issuer, f"has an RSA key of {key.key_size} bits, {expected}")
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        raise PathError(
            Fault.SIGNATURE, certificate, f"has a signature that {describe(issuer.subject)} did not make"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PathError(Fault.SIGNATURE, certificate, f"has an unsupported signature: {error}") from None


def _check_validity(certificate: x509.Certificate, now: int) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    if moment > certificate.not_valid_after_utc:
        raise PathError(
            Fault.EXPIRED, certificate, f"expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
        )
    if moment < certificate.not_valid_before_utc:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
        raise PathError(Fault.NOT_YET_VALID, certificate, f"is not valid before {begins}")


def _check_critical(certificate: x509.Certificate) -> None:
    try:
        extensions = list(certificate.extensions)
    except (ValueError, x509.DuplicateExtension) as error:
        raise PathError(Fault.MALFORMED, certificate, f"has malformed extensions: {error}") from None
    for found in extensions:
        if found.critical and found.oid not in UNDERSTOOD:
            oid = found.oid.dotted_string
            raise PathError(
                Fault.CRITICAL_EXTENSION, certificate, f"has an unknown critical extension, {oid}"
            )
    policies = extension(certificate, x509.PolicyConstraints)
    if policies is not None and policies.require_explicit_policy is not None:
        raise PathError(Fault.POLICY, certificate, "demands an explicit policy, which is not supported")


def _check_strength(certificate: x509.Certificate) -> None:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise PathError(Fault.WEAK, certificate, f"is signed in an unknown algorithm: {error}") from None
    if algorithm is not None and algorithm.name in ("md5", "sha1"):
        raise PathError(Fault.WEAK, certificate, f"is signed with {algorithm.name.upper()}")


def _check_ca(certificate: x509.Certificate) -> int | None:
    """What certifies others must be a CA; its pathLenConstraint (RFC 5280, section 6.1.4, k to n)."""
    basic = extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise PathError(Fault.NOT_A_CA, certificate, "is not a CA: basicConstraints does not say so")
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise PathError(
            Fault.NOT_A_CA, certificate, "may not sign certificates: keyUsage does not have keyCertSign"
        )
    return basic.path_length


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it may certify others."""
    try:
        _check_ca(certificate)
    except PathError:
        return False
    return True


def _check_names(certificate: x509.Certificate, constraints: Sequence[x509.NameConstraints]) -> None:
    alternative = extension(certificate, x509.SubjectAlternativeName)
    for constraint in constraints:
        offender = name_constraints.violation(certificate.subject, alternative, constraint)
        if offender is not None:
            raise PathError(
                Fault.NAMES, certificate, f"has a name its issuers' constraints forbid: {offender}"
            )
