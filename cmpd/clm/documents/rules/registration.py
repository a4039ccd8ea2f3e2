"""Registration authorities of a policy: which certificate is one, and what it may do about which names
(RFC 9483, section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from cmpd.clm.documents.rules.pem_certificates import CERTIFICATES
from cmpd.clm.documents.rules.san import KINDS, kind_of, text_of
from cmpd.clm.documents.rules.subject import compiled
from cmpd.clm.pkix.attributes import ATTRIBUTE, short_name
from cmpd.clm.settings import FLAG, PATTERN, TEXT, DocumentError, ValueType, choice, listing, setting, table

RIGHTS = ("enrol", "update", "revoke", "hold", "release", "raVerified", "nest")
"""What an RA may be given: certificates for others, updates of theirs, their revocation, hold and release,
the word for their proof of possession, and nested messages."""
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
"""id-kp-cmcRA (RFC 6402, section 2.10): the extended key usage of an RA (RFC 9483, section 3.4)."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _entity(value: object, key: str) -> str:
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise DocumentError(key, "an end entity's UUID in lower case is expected")
    return value


@dataclass(frozen=True, slots=True)
class RegistrationAuthority:
    """A registration authority, and what it was given."""

    name: str = setting(TEXT)
    """What audit, log and `cmpd policy explain` call it; unique within the policy."""
    rights: tuple[str, ...] = setting(listing(choice(*RIGHTS)))
    """What it may do: enrol, update, revoke, hold, release, raVerified, nest."""
    certificates: tuple[bytes, ...] = setting(CERTIFICATES, ())
    """Its certificate, or CAs that certify it (PEM in documents, DER here). The RA needs the extended key
    usage id-kp-cmcRA, unless `pinned`."""
    entities: tuple[str, ...] = setting(listing(ValueType(_entity)), ())
    """UUIDs of end entities that act as this RA by certificates issued here to them."""
    subject: tuple[tuple[str, str], ...] = setting(table(ATTRIBUTE, PATTERN), ())
    """Attribute → regular expression: the subjects it may speak for have these attributes and no others, and
    each value matches whole; empty: any subject, or only the empty one where `san` says which names."""
    san: tuple[tuple[str, str], ...] = setting(table(choice(*KINDS), PATTERN), ())
    """Kind → regular expression: the subjectAltNames it may speak for are of these kinds, and match whole;
    empty: any name, or none where `subject` says which names."""
    pinned: bool = setting(FLAG, False)
    """Whether `certificates` are the RA's own: no other is trusted, and none needs id-kp-cmcRA."""

    def contradictions(self, key: str) -> None:
        """Raises DocumentError."""
        if not self.rights:
            raise DocumentError(f"{key}.rights", f"is empty; give it some of {', '.join(RIGHTS)}")
        if not self.certificates and not self.entities:
            raise DocumentError(key, "has neither certificates nor entities: say who the RA is")
        if self.pinned:
            return
        for index, der in enumerate(self.certificates):
            certificate = x509.load_der_x509_certificate(der)
            if not (_is_ca(certificate) or is_ra(certificate)):
                raise DocumentError(
                    f"{key}.certificates[{index}]",
                    "is neither a CA's certificate nor one with the extended key usage id-kp-cmcRA; "
                    "set pinned = true where it is the RA's own",
                )

    def covers(self, subject: x509.Name, san: Iterable[x509.GeneralName]) -> bool:
        """Whether it may speak for a certificate with these names."""
        if not self.subject and not self.san:
            return True
        return self._covers_subject(subject) and all(map(self._covers_name, san))

    def _covers_subject(self, subject: x509.Name) -> bool:
        patterns = dict(self.subject)
        present = {short_name(attribute.oid) for attribute in subject}
        return present == patterns.keys() and all(
            isinstance(attribute.value, str)
            and compiled(patterns[short_name(attribute.oid)]).fullmatch(attribute.value) is not None
            for attribute in subject
        )

    def _covers_name(self, name: x509.GeneralName) -> bool:
        pattern = dict(self.san).get(kind_of(name))
        return pattern is not None and compiled(pattern).fullmatch(text_of(name)) is not None


def is_ra(certificate: x509.Certificate) -> bool:
    """Whether a certificate is a registration authority's, by its extended key usage."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return CMC_RA in usage


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
