"""Certificates for tests, made by keyword arguments so that each may be broken in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000
"""The moment tests happen at, in seconds since the epoch."""

KEYS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@cache
def key(kind: str, number: int = 0) -> Any:
    """A private key of a kind of `KEYS`; the same one for the same `number`."""
    return KEYS[kind]()


def name(common_name: str) -> x509.Name:
    """A name with an organization, so that name constraints have something to hold on to."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass(frozen=True)
class Holder:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Plan:
    """What a certificate is to look like; `None` leaves an extension out."""

    subject: x509.Name
    key: Any
    ca: bool = False
    path_length: int | None = None
    basic_constraints: bool = True
    key_cert_sign: bool | None = None
    crl_sign: bool = True
    """Whether a CA may sign CRLs."""
    days: tuple[int, int] = (-10, 10)
    """Validity, in days from `NOW`."""
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    key_identifiers: bool = True
    authority_key_identifier: bytes | None = None
    hash: hashes.HashAlgorithm | str | None = "suitable"
    issuer_name: x509.Name | None = None

    def issue(self, issuer: Holder | None) -> Holder:
        """Signed by `issuer`, or by itself."""
        signer = issuer.key if issuer else self.key
        issuer_name = self.issuer_name or (issuer.certificate.subject if issuer else self.subject)
        moment = datetime.fromtimestamp(NOW, UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(issuer_name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment + timedelta(days=self.days[0]))
            .not_valid_after(moment + timedelta(days=self.days[1]))
        )
        for value, critical in (*self._own_extensions(signer), *self.extensions):
            builder = builder.add_extension(value, critical)
        return Holder(builder.sign(signer, self._hash(signer)), self.key)

    def _own_extensions(self, signer: Any) -> list[tuple[x509.ExtensionType, bool]]:
        found: list[tuple[x509.ExtensionType, bool]] = []
        if self.basic_constraints and (self.ca or self.path_length is not None):
            found.append((x509.BasicConstraints(self.ca, self.path_length), True))
        if self.key_cert_sign is not None or self.ca:
            sign = self.key_cert_sign is not False
            usage = dict.fromkeys(
                ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
            )
            found.append(
                (
                    x509.KeyUsage(
                        digital_signature=True,
                        key_cert_sign=sign,
                        crl_sign=self.ca and self.crl_sign,
                        encipher_only=False,
                        decipher_only=False,
                        **usage,
                    ),
                    True,
                )
            )
        if self.key_identifiers:
            found.append((x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False))
            authority = (
                x509.AuthorityKeyIdentifier(self.authority_key_identifier, None, None)
                if self.authority_key_identifier
                else x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
            )
            found.append((authority, False))
        return found

    def _hash(self, signer: Any) -> Any:
        if self.hash != "suitable":
            return self.hash
        return hashes.SHA256() if isinstance(signer, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


def chain(*plans: Plan) -> list[Holder]:
    """Certificates from the root down, each issued by the one before."""
    holders: list[Holder] = []
    for plan in plans:
        holders.append(plan.issue(holders[-1] if holders else None))
    return holders


def three(kind: str = "P-256", /, **changes: Any) -> list[Holder]:
    """Root, intermediate and leaf; `root`, `intermediate` and `leaf` are dicts that change the plans."""
    plans = (
        Plan(name("root"), key(kind, 1), ca=True),
        Plan(name("intermediate"), key(kind, 2), ca=True),
        Plan(name("leaf"), key(kind, 3)),
    )
    return chain(
        *(
            replace(plan, **changes.get(role, {}))
            for role, plan in zip(("root", "intermediate", "leaf"), plans, strict=True)
        )
    )
