"""Making CAs: a root, issuing CAs under one, and the CMP signers that speak for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm import keys
from cmpd.clm.authority import AuthorityDocument, SealedPair, key_context, signer_context
from cmpd.clm.issuing import Random, new_serial
from cmpd.clm.keys import SigningKey
from cmpd.clm.names import name_text, parse_name
from cmpd.clm.profile import extended_key_usage, key_usage
from cmpd.clm.secrets import MasterKey

CMC_CA = "1.3.6.1.5.5.7.3.27"
"""id-kp-cmcCA (RFC 6402, section 2.10): signs CMP responses (RFC 9483, section 1.5)."""
CM_KGA = "1.3.6.1.5.5.7.3.32"
"""id-kp-cmKGA (RFC 9810, section 4.5): signs keys it generated."""
BACKDATE = timedelta(minutes=5)
SIGNER_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate with its key, and what stands above it."""

    certificate: x509.Certificate
    key: SigningKey
    chain: tuple[bytes, ...] = ()

    @property
    def path(self) -> tuple[bytes, ...]:
        """DER of its certificate and those above it up to the root."""
        return (self.certificate.public_bytes(Encoding.DER), *self.chain)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes keys and certificates, with time and randomness from outside."""

    master_key: MasterKey
    random: Random
    now: int

    def root(self, subject: str, algorithm: str, life: timedelta) -> Issuer:
        """A self-signed CA. Raises DocumentError for the subject, KeyProblem for the algorithm."""
        key = keys.generate(algorithm)
        name = parse_name(subject)
        return Issuer(self._certify(name, key, name, key, life, path_length=None), key)

    def issuing(self, parent: Issuer, subject: str, algorithm: str, life: timedelta) -> Issuer:
        """A CA under another one, that certifies no further CA."""
        key = keys.generate(algorithm)
        certificate = self._certify(
            parse_name(subject), key, parent.certificate.subject, parent.key, life, path_length=0
        )
        return Issuer(certificate, key, parent.path)

    def signer(self, ca: Issuer, purpose: str, title: str) -> Issuer:
        """A key and certificate for messages of the CA: `purpose` is `CMC_CA` or `CM_KGA`."""
        key = keys.generate(keys.key_name(ca.certificate.public_key()))
        subject = x509.Name(
            [
                *(one for one in ca.certificate.subject if one.oid != x509.NameOID.COMMON_NAME),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, title),
            ]
        )
        builder = self._begin(subject, key, ca.certificate.subject, ca.key, SIGNER_LIFE, ca.certificate)
        builder = builder.add_extension(key_usage(("digitalSignature",)), critical=True)
        builder = builder.add_extension(extended_key_usage((purpose,)), critical=False)
        return Issuer(builder.sign(ca.key, keys.signature_hash(ca.key)), key, ca.path)

    def document(self, id: str, ca: Issuer, url: str, *, parent: str | None = None) -> AuthorityDocument:
        """What the store keeps of the CA, with a CMP signer just made; secrets sealed."""
        title = f"{_common_name(ca.certificate)} CMP signer"
        return AuthorityDocument(
            key=self._seal(ca.key, key_context(id)),
            subject=name_text(ca.certificate.subject),
            url=url,
            certificate=ca.certificate.public_bytes(Encoding.DER),
            chain=ca.chain,
            parent=parent,
            signer=self.pair(id, "signer", self.signer(ca, CMC_CA, title)),
        )

    def pair(self, id: str, which: str, signer: Issuer) -> SealedPair:
        """A signer as a CA's document has it."""
        return SealedPair(
            signer.certificate.public_bytes(Encoding.DER), self._seal(signer.key, signer_context(id, which))
        )

    def _seal(self, key: SigningKey, context: str) -> bytes:
        return self.master_key.seal(keys.private_der(key), context)

    def _certify(
        self,
        subject: x509.Name,
        key: SigningKey,
        issuer: x509.Name,
        issuer_key: SigningKey,
        life: timedelta,
        path_length: int | None,
    ) -> x509.Certificate:
        builder = self._begin(subject, key, issuer, issuer_key, life, None)
        constraints = x509.BasicConstraints(ca=True, path_length=path_length)
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(
            key_usage(("digitalSignature", "keyCertSign", "cRLSign")), critical=True
        )
        return builder.sign(issuer_key, keys.signature_hash(issuer_key))

    def _begin(
        self,
        subject: x509.Name,
        key: SigningKey,
        issuer: x509.Name,
        issuer_key: SigningKey,
        life: timedelta,
        within: x509.Certificate | None,
    ) -> x509.CertificateBuilder:
        start = datetime.fromtimestamp(self.now, UTC) - BACKDATE
        end = start + BACKDATE + life
        if within is not None:
            start = max(start, within.not_valid_before_utc)
            end = min(end, within.not_valid_after_utc)
        public, issuer_public = key.public_key(), issuer_key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(new_serial(self.random))
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
        )


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else "CA"
