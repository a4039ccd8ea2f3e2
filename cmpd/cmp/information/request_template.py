"""certReqTemplate: what a certificate request is expected to hold (RFC 9483, section 4.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.clm.issuance import profile
from cmpd.clm.pkix import usages
from cmpd.clm.pkix.attributes import attribute_oid, fill, split_rdn
from cmpd.cmp.information.key_types import certified, key_identifier
from cmpd.cmp.wire import schema

if TYPE_CHECKING:
    from cmpd.clm.documents.template import Template
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.transaction.exchange import Exchange

ALG_ID = "1.3.6.1.5.5.7.5.1.11"
"""id-regCtrl-algId."""
RSA_KEY_LEN = "1.3.6.1.5.5.7.5.1.12"
"""id-regCtrl-rsaKeyLen."""


async def template(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """The subject as far as the template composes it, with empty values for the client to fill in; the
    extensions it sets; the kinds of key the policy certifies."""
    wanted: dict[str, Any] = {}
    if compiled.template.subject is not None:
        wanted["subject"] = _subject(exchange, compiled, compiled.template.subject)
    extensions = _extensions(compiled.template)
    if extensions:
        wanted["extensions"] = extensions
    return schema.encode(
        "RawCertReqTemplateContent", {"certTemplate": wanted, "keySpec": _key_spec(compiled)}
    )


def _subject(exchange: Exchange, compiled: CompiledPolicy, patterns: tuple[str, ...]) -> bytes:
    values = profile.values_of(compiled.authority, exchange.entity)
    rdns: list[Any] = []
    for pattern in patterns:
        name, value_pattern = split_rdn(pattern)
        oid = attribute_oid(name)
        value = fill(value_pattern, values)
        if value:
            known = x509.Name([x509.NameAttribute(oid, value)])
            rdns += schema.decode("RDNSequence", known.public_bytes())
        else:
            rdns.append([{"type": oid.dotted_string, "value": _to_be_filled_in()}])
    return schema.encode("RDNSequence", rdns)


def _to_be_filled_in() -> bytes:
    """DER of an attribute value that the client is to choose."""
    return schema.encode("DirectoryString", ("utf8String", ""))


def _extensions(template: Template) -> list[bytes]:
    """The extensions that are the same in all certificates and that a request may repeat."""
    values: list[tuple[x509.ExtensionType, bool]] = []
    if template.key_usage:
        values.append((usages.key_usage(template.key_usage), True))
    if template.extended_key_usage:
        values.append((usages.extended_key_usage(template.extended_key_usage), False))
    return [
        schema.encode(
            "Extension",
            {"extnID": value.oid.dotted_string, "critical": critical, "extnValue": value.public_bytes()},
        )
        for value, critical in values
    ]


def _key_spec(compiled: CompiledPolicy) -> list[dict[str, Any]]:
    """A control for each kind of key, and for each length of the kinds that leave it open: RSA."""
    rules = compiled.policy.keys
    controls: list[dict[str, Any]] = []
    for kind in certified(compiled):
        if not kind.sizes:
            controls.append({"type": ALG_ID, "value": key_identifier(kind)})
            continue
        controls += [
            {"type": RSA_KEY_LEN, "value": schema.encode("RsaKeyLenCtrl", length)}
            for length in kind.sizes
            if rules.rsa_min <= length <= rules.rsa_max
        ]
    return controls
