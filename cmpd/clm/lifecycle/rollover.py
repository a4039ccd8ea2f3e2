"""A CA's next key: the old one goes on serving what it signed, the new one issues from now on.

The new key is a CA of its own in the store, which takes the name over; policies name CAs by name. The
old one keeps its id, under which its certificates find their CRL, and goes on making CRLs until it ends.
For a root, the two cross certificates let those who trust one key verify what is under the other
(RFC 9810, section 4.4): they are what rootCaKeyUpdate hands out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.authority import Authority, AuthorityDocument, record_of
from cmpd.clm.authorities.chains import SKEW, CAProblem
from cmpd.clm.authorities.key_ref import KeyRef
from cmpd.clm.lifecycle.ca import (
    CAChange,
    CAContext,
    build,
    ca_extensions,
    certify_ca,
    finish,
    generate,
    self_signed,
)
from cmpd.clm.model import StoredObject
from cmpd.clm.pkix.keypairs import key_name
from cmpd.clm.pkix.usages import extension
from cmpd.clm.store.changes import AddCertificate, PutObject
from cmpd.times import seconds_of


async def roll_over(
    maker: CAContext,
    stored: StoredObject,
    authority: Authority,
    parent: Authority | None,
    algorithm: str | None = None,
    crl_partitions: int | None = None,
) -> tuple[StoredObject, CAChange]:
    """(the CA of the old key as it becomes, the CA of the new key). `parent` as the old one has it; the
    new certificate is valid as long as the old one was, its algorithm and CRLs as of the old one where None
    is given. Raises CAProblem."""
    document = AuthorityDocument.of(stored)
    if document.successor is not None:
        raise CAProblem("name", f"{stored.name} was rolled over already, to {document.successor}")
    if authority.chain and parent is None:
        raise CAProblem(
            "parent", "the CA was certified elsewhere; make the next one with `cmpd ca request` there"
        )
    key = await generate(maker, algorithm or key_name(authority.certificate.public_key()))
    life = authority.not_after - authority.not_before - SKEW
    subject = authority.certificate.subject
    crosses: dict[str, Any] = {}
    if parent is None:
        certificate = await self_signed(maker, subject, key, life)
        chain: tuple[bytes, ...] = ()
        crosses = await _cross(maker, authority, certificate, key)
    else:
        certificate = await certify_ca(maker, parent, subject, key.public_key, life, _path_length(authority))
        chain = (parent.certificate_der, *parent.chain)
    new_id = f"{stored.name}-{document.generation + 1}"
    old = replace(stored, name=stored.id, document=replace(document, successor=new_id).document())
    made = await finish(
        maker,
        "rollover",
        stored.name,
        certificate,
        chain,
        key,
        document.url,
        document.parent,
        predecessor=stored.id,
        generation=document.generation + 1,
        crl=document.crl,
        crl_partitions=crl_partitions or document.crl_partitions,
        **crosses,
    )
    issuer = made.stored.id if parent is None else parent.id
    record = AddCertificate(record_of(certificate, ca=issuer, issued=maker.act.time))
    return old, replace(made, unit=(PutObject(old), *made.unit, record))


def _path_length(authority: Authority) -> int | None:
    return authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length


async def _cross(
    maker: CAContext, authority: Authority, certificate: x509.Certificate, key: KeyRef
) -> dict[str, bytes]:
    """newWithOld and oldWithNew (RFC 9810, section 4.4.1)."""
    end = min(authority.not_after, seconds_of(certificate.not_valid_after_utc))
    crossed = (
        ("new_with_old", authority.key, authority.certificate, certificate, maker.act.time),
        ("old_with_new", key, certificate, authority.certificate, authority.not_before),
    )
    found: dict[str, bytes] = {}
    for name, signing, issuer, subject, start in crossed:
        issuer_id = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
        made = await build(
            maker,
            (issuer.subject, signing),
            subject.subject,
            subject.public_key(),
            (start, end),
            [
                extension(x509.SubjectKeyIdentifier.from_public_key(subject.public_key())),
                extension(x509.AuthorityKeyIdentifier(issuer_id, None, None)),
                *ca_extensions(None),
            ],
        )
        found[name] = made.public_bytes(Encoding.DER)
    return found
