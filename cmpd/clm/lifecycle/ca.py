"""CAs come about: made here, imported, or certified elsewhere; and each gets its signers.

Each act gives the changes that carry it out, its audit event among them; nothing is stored here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.authority import (
    Authority,
    AuthorityDocument,
    SealedPair,
    key_context,
    key_id_of,
    load_authority,
    load_key,
    record_of,
    signer_context,
)
from cmpd.clm.authorities.chains import SKEW, CAProblem, ordered_chain
from cmpd.clm.authorities.key_ref import KeyRef, key_class
from cmpd.clm.documents.crl_points import PARTITIONS, CrlPoints
from cmpd.clm.model import Act, ObjectKind, StoredObject
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.pkix.serial_numbers import new_serial
from cmpd.clm.pkix.usages import EXTENDED_KEY_USAGES, extended_key_usage, extension, key_usage
from cmpd.clm.secrets import MasterKey
from cmpd.clm.settings import check_name
from cmpd.clm.store.changes import AddCertificate, Audit, Change, PutObject, audited
from cmpd.times import seconds_of, x509_time

Random = Callable[[int], bytes]
SIGNER_VALIDITY = 397 * 86400
"""Seconds a CMP signer's certificate is valid, where its CA is valid as long."""
SIGNER_ROLES = {"signer": ("cmcCA", "CMP signer"), "kga": ("cmKGA", "key generation authority")}
"""Which of a CA's signers → (extended key usage, what its subject is called): RFC 9810, section 1.1."""


@dataclass(frozen=True, slots=True)
class CAContext:
    """Who makes CAs, and with what."""

    act: Act
    master_key: MasterKey
    random: Random = os.urandom
    key_kind: str = "software"
    """Where new keys of CAs are to be: one of `key_kinds`."""

    def audit(self, action: str, stored: StoredObject, **detail: Any) -> Audit:
        """The audit change for something done to a CA."""
        return audited(self.act, f"ca.{action}", f"ca:{stored.id}", **detail)


@dataclass(frozen=True, slots=True)
class CAChange:
    """A CA after an act, and the changes that make it so."""

    stored: StoredObject
    unit: tuple[Change, ...]

    def authority(self, master_key: MasterKey) -> Authority:
        """The CA, loaded."""
        authority = load_authority(self.stored, master_key)
        if authority is None:
            raise CAProblem("certificate", "the CA waits for its certificate")
        return authority


async def make_root(
    maker: CAContext,
    name: str,
    subject: x509.Name,
    algorithm: str,
    validity: int,
    url: str,
    crl_partitions: int = 1,
) -> CAChange:
    """A new key and its self-signed certificate, valid for `validity` seconds. Raises CAProblem."""
    key = await generate(maker, algorithm)
    certificate = await self_signed(maker, subject, key, validity)
    made = await finish(maker, "create", name, certificate, (), key, url, None, crl_partitions=crl_partitions)
    record = record_of(certificate, ca=made.stored.id, issued=maker.act.time)
    return replace(made, unit=(*made.unit, AddCertificate(record)))


async def make_issuing(
    maker: CAContext,
    name: str,
    subject: x509.Name,
    algorithm: str,
    validity: int,
    url: str,
    parent: Authority,
    path_length: int | None = 0,
    crl_partitions: int = 1,
) -> CAChange:
    """A new key, certified by a CA of this store; never valid beyond it. Raises CAProblem."""
    if subject == parent.certificate.subject:
        raise CAProblem("subject", "is that of the CA above it; give it another")
    key = await generate(maker, algorithm)
    certificate = await certify_ca(maker, parent, subject, key.public_key, validity, path_length)
    chain = (parent.certificate_der, *parent.chain)
    made = await finish(
        maker, "create", name, certificate, chain, key, url, parent.id, crl_partitions=crl_partitions
    )
    record = record_of(certificate, ca=parent.id, issued=maker.act.time)
    return replace(made, unit=(*made.unit, AddCertificate(record)))


async def import_ca(
    maker: CAContext,
    name: str,
    certificates: Sequence[x509.Certificate],
    key: KeyRef,
    url: str,
    crl_partitions: int = 1,
) -> CAChange:
    """A CA made elsewhere: its certificate, those above it in any order, and its private key.

    Raises CAProblem where they do not belong together, or it is no CA."""
    certificate, chain = ordered_chain(certificates, key.public_key, maker.act.time)
    return await finish(
        maker, "import", name, certificate, chain, key, url, None, crl_partitions=crl_partitions
    )


async def request_ca(
    maker: CAContext, name: str, subject: x509.Name, algorithm: str, url: str, crl_partitions: int = 1
) -> tuple[CAChange, str]:
    """A new key that another CA is to certify: (the CA that waits, PKCS #10 in PEM)."""
    key = await generate(maker, algorithm)
    document = AuthorityDocument(b"", name_text(subject), url, crl_partitions=crl_partitions)
    stored = _stored(name, document)
    stored = _with_key(maker, stored, document, key)
    csr = await key.signed(
        x509.CertificateSigningRequestBuilder(subject)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(key_usage(("keyCertSign", "cRLSign")), critical=True)
    )
    made = CAChange(stored, (PutObject(stored), maker.audit("request", stored, subject=document.subject)))
    return made, csr.public_bytes(Encoding.PEM).decode()


async def install_certificate(
    maker: CAContext, stored: StoredObject, certificates: Sequence[x509.Certificate]
) -> CAChange:
    """The certificate that came for a request, and those above it. Raises CAProblem."""
    document = AuthorityDocument.of(stored)
    key = load_key(stored, document, maker.master_key)
    certificate, chain = ordered_chain(certificates, key.public_key, maker.act.time)
    document = replace(
        document,
        certificate=certificate.public_bytes(Encoding.DER),
        chain=chain,
        subject=name_text(certificate.subject),
    )
    return await _with_signer(
        maker, "install", replace(stored, document=document.document()), certificate, key
    )


async def renew_signer(maker: CAContext, stored: StoredObject, authority: Authority, which: str) -> CAChange:
    """A new ``signer`` or ``kga`` for a CA; the old one's certificate stays valid until it ends."""
    document = AuthorityDocument.of(stored)
    pair, record = await _new_signer(maker, authority.certificate, authority.key, authority.points, which)
    changed = replace(document, **{which: pair})  # type: ignore[arg-type] # one of SIGNER_ROLES
    stored = replace(stored, document=changed.document())
    return CAChange(stored, (PutObject(stored), record, maker.audit("signer", stored, which=which)))


async def self_signed(maker: CAContext, subject: x509.Name, key: KeyRef, validity: int) -> x509.Certificate:
    """A root's certificate."""
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key)
    return await build(
        maker,
        (subject, key),
        subject,
        key.public_key,
        (maker.act.time - SKEW, maker.act.time + validity),
        [extension(key_id), *ca_extensions(None)],
    )


async def certify_ca(
    maker: CAContext,
    parent: Authority,
    subject: x509.Name,
    public_key: CertificatePublicKeyTypes,
    validity: int,
    path_length: int | None,
) -> x509.Certificate:
    """A CA certificate under a CA of this store. Raises CAProblem where that may not have CAs below it."""
    constraints = parent.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    if constraints.path_length is not None:
        if constraints.path_length == 0:
            raise CAProblem("parent", f"{parent.name} may have no CA below it (pathLenConstraint 0)")
        most = constraints.path_length - 1
        path_length = most if path_length is None else min(path_length, most)
    return await build(
        maker,
        (parent.certificate.subject, parent.key),
        subject,
        public_key,
        (
            max(maker.act.time - SKEW, parent.not_before),
            min(maker.act.time + validity, parent.not_after),
        ),
        [
            extension(x509.SubjectKeyIdentifier.from_public_key(public_key)),
            extension(x509.AuthorityKeyIdentifier(parent.key_id, None, None)),
            *ca_extensions(path_length),
        ],
        parent.points,
    )


async def build(
    maker: CAContext,
    issuer: tuple[x509.Name, KeyRef],
    subject: x509.Name,
    public_key: CertificatePublicKeyTypes,
    validity: tuple[int, int],
    extensions: list[x509.Extension[Any]],
    points: CrlPoints | None = None,
) -> x509.Certificate:
    """A certificate as given. `validity`: notBefore and notAfter in seconds since the epoch. `points`: of
    the issuer, for the certificate to name its CRL."""
    start, end = (x509_time(time) for time in validity)
    if end <= start:
        raise CAProblem("validity", "would end before it began; is the CA above it expired?")
    name, key = issuer
    serial = new_serial(maker.random)
    if points is not None:
        extensions = [*extensions, points.extension(serial)]
    builder = x509.CertificateBuilder(name, subject, public_key, serial, start, end, extensions)
    return await key.signed(builder)


async def generate(maker: CAContext, algorithm: str) -> KeyRef:
    """A new key by name. Raises CAProblem, KeyUnavailable."""
    try:
        return await key_class(maker.key_kind).generate(algorithm)
    except keypairs.KeyProblem as problem:
        raise CAProblem("key", str(problem)) from problem


def ca_extensions(path_length: int | None) -> list[x509.Extension[Any]]:
    """What makes a certificate a CA's."""
    return [
        extension(x509.BasicConstraints(True, path_length), critical=True),
        extension(key_usage(("keyCertSign", "cRLSign")), critical=True),
    ]


def _stored(name: str, document: AuthorityDocument) -> StoredObject:
    """A new CA's place in the store. Its id holds the generation, so that after a rollover the name can
    pass to the next key while certificates and CRLs of this one keep naming it."""
    check_name(name)
    PARTITIONS.parse(document.crl_partitions, "crl_partitions")
    if not document.url.startswith(("http://", "https://")) or document.url.endswith("/"):
        raise CAProblem(
            "url", f"http://host[:port][/path] without a slash at its end is expected, not {document.url}"
        )
    return StoredObject(ObjectKind.CA, f"{name}-{document.generation}", name, document.document())


def _with_key(
    maker: CAContext, stored: StoredObject, document: AuthorityDocument, key: KeyRef
) -> StoredObject:
    octets = key.stored(maker.master_key, key_context(stored.id))
    return replace(stored, document=replace(document, key=octets, key_kind=key.kind).document())


async def finish(
    maker: CAContext,
    action: str,
    name: str,
    certificate: x509.Certificate,
    chain: tuple[bytes, ...],
    key: KeyRef,
    url: str,
    parent: str | None,
    **more: Any,
) -> CAChange:
    """A CA with its certificate: key sealed, CMP signer made, ready to be stored."""
    document = AuthorityDocument(
        b"",
        name_text(certificate.subject),
        url,
        certificate.public_bytes(Encoding.DER),
        chain,
        parent,
        **more,
    )
    stored = _stored(name, document)
    return await _with_signer(maker, action, _with_key(maker, stored, document, key), certificate, key)


async def _with_signer(
    maker: CAContext, action: str, stored: StoredObject, certificate: x509.Certificate, key: KeyRef
) -> CAChange:
    document = AuthorityDocument.of(stored)
    points = CrlPoints(document.url, stored.id, document.crl_partitions)
    pair, record = await _new_signer(maker, certificate, key, points, "signer")
    stored = replace(stored, document=replace(document, signer=pair).document())
    audit = maker.audit(action, stored, name=stored.name, subject=document.subject)
    return CAChange(stored, (PutObject(stored), record, audit))


async def _new_signer(
    maker: CAContext, certificate: x509.Certificate, key: KeyRef, points: CrlPoints, which: str
) -> tuple[SealedPair, AddCertificate]:
    usage, title = SIGNER_ROLES[which]
    own = keypairs.generate(_signer_algorithm(certificate.public_key()))
    now = maker.act.time
    signer = await build(
        maker,
        (certificate.subject, key),
        _titled(certificate.subject, title),
        own.public_key(),
        (
            max(now - SKEW, seconds_of(certificate.not_valid_before_utc)),
            min(now + SIGNER_VALIDITY, seconds_of(certificate.not_valid_after_utc)),
        ),
        [
            extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key())),
            extension(_key_id(certificate)),
            extension(key_usage(("digitalSignature",)), critical=True),
            extension(extended_key_usage((EXTENDED_KEY_USAGES[usage],))),
        ],
        points,
    )
    sealed = maker.master_key.seal(keypairs.private_der(own), signer_context(points.ca, which))
    pair = SealedPair(signer.public_bytes(Encoding.DER), sealed)
    return pair, AddCertificate(record_of(signer, ca=points.ca, issued=now))


def _key_id(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(key_id_of(certificate), None, None)


def _signer_algorithm(key: CertificatePublicKeyTypes) -> str:
    """A signer's key is of its CA's kind, since that is what those who trust the CA can verify."""
    row = KEYS.of(key)
    enough = [bits for bits in row.sizes[:-1] if bits <= key.key_size]  # type: ignore[union-attr] # what has sizes says its own
    return row.sized(max(enough, default=row.sizes[0])) if row.sizes else row.name


def _titled(subject: x509.Name, title: str) -> x509.Name:
    """The CA's subject, with the title in its common name."""
    common = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    own_text = str(common[0].value) if common else "CA"
    text = f"{own_text[: 63 - len(title)]} {title}"
    others = [rdn for rdn in subject.rdns if all(one.oid != x509.NameOID.COMMON_NAME for one in rdn)]
    own = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    return x509.Name([*others, own])
