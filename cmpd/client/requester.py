"""A small CMP client, for cmpd to try itself with (`cmpd selftest`): ir, kur, rr and certConf.

It is deliberately plain: PBM or a signature, P-256, one request a transaction. It checks what a careful
client checks, and knows nothing of how the server works.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.cmp.protection import hashing, mac, signature
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.failure import FailInfo, PKIStatus
from cmpd.cmp.wire.general_names import directory_name, null_dn
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.status import status_of

Send = Callable[[bytes], Awaitable[bytes]]

PBM = "1.2.840.113533.7.66.13"
ITERATIONS = 1000
PVNO = 2

CMC_CA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.27")
"""id-kp-cmcCA (RFC 6402, section 2.10): the extended key usage of a CA's CMP signer."""


class ResponseRejected(Exception):
    """The server refuses, or its answer is not one a client may take."""


@dataclass(frozen=True, slots=True)
class MacProtection:
    """Protects with a shared secret (RFC 9810, section 5.1.3.1)."""

    reference: bytes
    secret: bytes

    sender: bytes = field(default_factory=null_dn)

    @property
    def kid(self) -> bytes:
        return self.reference

    @property
    def extra_certs(self) -> tuple[bytes, ...]:
        return ()

    def algorithm(self) -> tuple[bytes, Callable[[bytes], bytes]]:
        """(DER of the AlgorithmIdentifier, function that protects)."""
        parameters = schema.encode(
            "PBMParameter",
            {
                "salt": os.urandom(16),
                "owf": {"algorithm": hashing.HASH_OIDS["SHA-256"]},
                "iterationCount": ITERATIONS,
                "mac": {"algorithm": hashing.HMAC_OIDS["HMAC-SHA256"]},
            },
        )
        der = schema.encode("AlgorithmIdentifier", {"algorithm": PBM, "parameters": parameters})
        parsed = mac.parse(message.parse_algorithm(der), mac.Bounds())
        key = parsed.derive(self.secret)
        return der, lambda data: parsed.tag(key, data)

    def verify(self, response: Message) -> None:
        """Raises Refused, CMPFailure."""
        algorithm = response.header.protection_alg
        if algorithm is None or response.protection is None:
            raise ResponseRejected("the response is not protected")
        parsed = mac.parse(algorithm, mac.Bounds())
        if not parsed.verify(parsed.derive(self.secret), response.protection, response.protected_part):
            raise ResponseRejected("the response's MAC does not verify")


@dataclass(frozen=True, slots=True)
class SignatureProtection:
    """Protects with a certificate's key (RFC 9810, section 5.1.3.3)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def sender(self) -> bytes:
        return directory_name(self.certificate.subject.public_bytes())

    @property
    def kid(self) -> bytes:
        return self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    @property
    def extra_certs(self) -> tuple[bytes, ...]:
        return (self.certificate.public_bytes(Encoding.DER),)

    def algorithm(self) -> tuple[bytes, Callable[[bytes], bytes]]:
        """(DER of the AlgorithmIdentifier, function that protects)."""
        return signature.signer_algorithm(self.key)

    def verify(self, response: Message) -> None:
        """Against the certificate the response brings: issued by the CA that issued the own one, and a CMP
        signer's by its extended key usage. A device may have the signer's name (RFC 9483, section 3.2).

        Raises Refused, CMPFailure, ValueError."""
        algorithm = response.header.protection_alg
        if algorithm is None or response.protection is None or not response.extra_certs:
            raise ResponseRejected("the response is not signed")
        certificates = [x509.load_der_x509_certificate(der) for der in response.extra_certs]
        signer, *others = certificates
        if not any(_issued(issuer, signer) and _issued(issuer, self.certificate) for issuer in others):
            raise ResponseRejected("the response is signed under another CA")
        if not _is_cmp_signer(signer):
            raise ResponseRejected(
                "the response is not signed by a CMP signer: its certificate does not have id-kp-cmcCA"
            )
        key = signer.public_key()
        signature.parse(algorithm).verify(key, response.protection, response.protected_part)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_cmp_signer(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return CMC_CA in usage


@dataclass(slots=True)
class ClientTransaction:
    """Messages under one transactionID."""

    send: Send
    protection: MacProtection | SignatureProtection
    id: bytes = field(default_factory=lambda: os.urandom(16))
    server_nonce: bytes | None = None

    async def ask(self, body: Body, content: Any) -> Message:
        """Send one message, check the answer. Raises Refused for an error message."""
        nonce = os.urandom(16)
        algorithm, protect = self.protection.algorithm()
        header = message.encode_header(
            pvno=PVNO,
            sender=self.protection.sender,
            recipient=null_dn(),
            message_time=int(time.time()),
            protection_alg=algorithm,
            sender_kid=self.protection.kid,
            transaction_id=self.id,
            sender_nonce=nonce,
            recip_nonce=self.server_nonce,
            general_info={},
        )
        encoded = message.encode_body(body, content)
        sealed = protect(message.protected_part(header, encoded))
        request = message.encode(header, encoded, sealed, self.protection.extra_certs)
        response = message.parse(await self.send(request))
        self._check(response, nonce)
        self.server_nonce = response.header.sender_nonce
        return response

    def _check(self, response: Message, nonce: bytes) -> None:
        if response.tag == Body.ERROR:
            raise ResponseRejected(_words(response.content["pKIStatusInfo"]))
        if response.header.transaction_id != self.id:
            raise ResponseRejected("the response is of another transaction")
        if not hmac.compare_digest(response.header.recip_nonce or b"", nonce):
            raise ResponseRejected("the response's recipNonce is not the request's senderNonce")
        self.protection.verify(response)


async def enrol(
    send: Send, protection: MacProtection | SignatureProtection, body: Body, subject: x509.Name
) -> tuple[SignatureProtection, ClientTransaction]:
    """A new key and the certificate for it, not yet confirmed: (identity, its transaction).

    Raises Refused."""
    key = ec.generate_private_key(ec.SECP256R1())
    transaction = ClientTransaction(send, protection)
    response = await transaction.ask(body, [_request(key, subject)])
    first = response.content["response"][0]
    pair = first.get("certifiedKeyPair")
    if first["status"]["status"] not in (PKIStatus.accepted, PKIStatus.grantedWithMods) or pair is None:
        raise ResponseRejected(_words(first["status"]))
    certificate = x509.load_der_x509_certificate(bytes(pair["certOrEncCert"][1]))
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*spki) != key.public_key().public_bytes(*spki):
        raise ResponseRejected("the certificate is for another key")
    return SignatureProtection(certificate, key), transaction


async def confirm(transaction: ClientTransaction, identity: SignatureProtection) -> None:
    """certConf → pkiconf. Raises Refused."""
    digest = hashlib.sha256(identity.certificate.public_bytes(Encoding.DER)).digest()
    name = signature.certificate_hash(identity.certificate)
    if name is not None:
        digest = hashlib.new(name, identity.certificate.public_bytes(Encoding.DER)).digest()
    answer = await transaction.ask(Body.CERTCONF, [{"certHash": digest, "certReqId": 0}])
    if answer.tag != Body.PKICONF:
        raise ResponseRejected(f"certConf is answered by {answer.kind}")


async def revoke(send: Send, identity: SignatureProtection) -> None:
    """rr of the identity's own certificate. Raises Refused."""
    certificate = identity.certificate
    template = {"serialNumber": certificate.serial_number, "issuer": certificate.issuer.public_bytes()}
    answer = await ClientTransaction(send, identity).ask(Body.RR, [{"certDetails": template}])
    status = answer.content["status"][0]
    if status["status"] != PKIStatus.accepted:
        raise ResponseRejected(_words(status))


def _request(key: ec.EllipticCurvePrivateKey, subject: x509.Name) -> dict[str, Any]:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    template = {
        "subject": subject.public_bytes(),
        "publicKey": schema.decode("RawSubjectPublicKeyInfo", spki),
    }
    cert_request = schema.encode("RawCertRequest", {"certReqId": 0, "certTemplate": template})
    identifier, sign = signature.signer_algorithm(key)
    proof = sign(cert_request)
    popo = {"algorithmIdentifier": identifier, "signature": (proof, 8 * len(proof))}
    return {"certReq": cert_request, "popo": ("signature", popo)}


def _words(info: dict[str, Any]) -> str:
    status, fail_info, text = status_of(info)
    said = [PKIStatus(status).name if status in set(PKIStatus) else str(status)]
    said.extend(FailInfo(bit).name for bit in fail_info if bit in set(FailInfo))
    return ", ".join([*said, text] if text else said)
