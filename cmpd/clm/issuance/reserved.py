"""What no request brings about by itself: names of CAs here, and usages that make an authority of a key.

Who gets a certificate with a CA's name, or its CMP signer's, speaks as the CA to every client that goes by
names. So such a name is for the update of that CA's own certificate alone, under a template and a policy that
are made for it. Usages that clients and CAs believe more than others are a template's to give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from cmpd.clm.pkix.attributes import short_name
from cmpd.clm.pkix.names import comparison_key, same_name
from cmpd.clm.pkix.usages import EXTENDED_KEY_USAGES
from cmpd.clm.refusal import RequestRefused, ReservedName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.documents.template import Template

PRIVILEGED: Final = {
    **{EXTENDED_KEY_USAGES[name]: name for name in ("cmcCA", "cmcRA", "cmKGA", "OCSPSigning")},
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
"""Extended key usages that reach a certificate only where its template names them."""


def names_of(authorities: Iterable[Authority]) -> frozenset[str]:
    """Names of CAs, those above them, CMP signers and key generation authorities, as they compare."""
    found: set[str] = set()
    for authority in authorities:
        signers = [authority.signer, *([authority.kga] if authority.kga is not None else [])]
        certificates = [authority.certificate, *(one.certificate for one in signers)]
        certificates += map(x509.load_der_x509_certificate, authority.chain)
        found.update(comparison_key(one.subject) for one in certificates)
    return frozenset(found)


def check_names(
    reserved: frozenset[str],
    policy: Policy,
    template: Template,
    subject: x509.Name,
    extensions: list[Any],
    replaced: x509.Name | None,
) -> None:
    """Raises ReservedName for a name of a CA here, in the subject or as a directoryName. `replaced`: the
    subject of the certificate that is updated."""
    for value in extensions:
        if type(value) is x509.SubjectAlternativeName:
            for name in value.get_values_for_type(x509.DirectoryName):
                if comparison_key(name) in reserved:
                    raise ReservedName("extensions.subjectAltName.directoryName")
    if comparison_key(subject) not in reserved:
        return
    if replaced is None or not same_name(replaced, subject):
        raise ReservedName("subject")
    if not (_is_for_authorities(template) and _names_it(policy, subject)):
        raise ReservedName("subject")


def _is_for_authorities(template: Template) -> bool:
    return template.is_ca or any(oid in PRIVILEGED for oid in template.extended_key_usage)


def _names_it(policy: Policy, subject: x509.Name) -> bool:
    """Whether the policy's rules on the subject say of each of its attributes what it is."""
    rules = policy.subject
    said = {name for name, _ in (*rules.fixed, *rules.from_entity, *rules.patterns)}
    return {short_name(attribute.oid) for attribute in subject} <= said


def check_usages(template: Template, extensions: list[Any]) -> None:
    """Raises RequestRefused where a certificate would have usages of authorities that its template does not
    name, whichever way they came in."""
    named = {*template.extended_key_usage, *template.requested_extended_key_usage}
    usages = {*template.key_usage, *template.requested_key_usage}
    for value in extensions:
        kind = type(value)  # not isinstance: these classes are abstract, and asking them costs
        if kind is x509.ExtendedKeyUsage:
            for oid in value:
                if oid.dotted_string in PRIVILEGED and oid.dotted_string not in named:
                    usage = PRIVILEGED[oid.dotted_string]
                    raise _unnamed(f"extensions.extendedKeyUsage.{usage}")
        elif kind is x509.BasicConstraints and value.ca and not template.is_ca:
            raise _unnamed("extensions.basicConstraints.cA")
        elif kind is x509.KeyUsage:
            if value.key_cert_sign and not (template.is_ca and "keyCertSign" in usages):
                raise _unnamed("extensions.keyUsage.keyCertSign")
            if value.crl_sign and "cRLSign" not in usages:
                raise _unnamed("extensions.keyUsage.cRLSign")


def _unnamed(field: str) -> RequestRefused:
    return RequestRefused(field, "reaches a certificate only where its template names it")
