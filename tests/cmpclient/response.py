"""A PKIMessage that came back, read and verified."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from cmpd.cmp.wire import schema
from tests.cmpclient import algorithms
from tests.cmpclient.protection import verify_mac

STATUS = (
    "accepted",
    "grantedWithMods",
    "rejection",
    "waiting",
    "revocationWarning",
    "revocationNotification",
    "keyUpdateWarning",
)
FAIL_INFO = (
    "badAlg",
    "badMessageCheck",
    "badRequest",
    "badTime",
    "badCertId",
    "badDataFormat",
    "wrongAuthority",
    "incorrectData",
    "missingTimeStamp",
    "badPOP",
    "certRevoked",
    "certConfirmed",
    "wrongIntegrity",
    "badRecipientNonce",
    "timeNotAvailable",
    "unacceptedPolicy",
    "unacceptedExtension",
    "addInfoNotAvailable",
    "badSenderNonce",
    "badCertTemplate",
    "signerNotTrusted",
    "transactionIdInUse",
    "unsupportedVersion",
    "notAuthorized",
    "systemUnavail",
    "systemFailure",
    "duplicateCertReq",
)


@dataclass(frozen=True)
class Response:
    """One PKIMessage. Its parts are values of the raw views."""

    der: bytes
    header: dict[str, Any]
    kind: str
    """The body's name: "ip", "error", …"""
    content: Any
    protection: bytes | None
    extra_certs: tuple[x509.Certificate, ...]
    protected_part: bytes

    @classmethod
    def parse(cls, der: bytes) -> Response:
        """Raises schema.DecodeError."""
        outer = schema.decode("RawMessage", der)
        kind, content = schema.decode("RawBody", outer["body"])
        parts = {"header": outer["header"], "body": outer["body"]}
        return cls(
            der=der,
            header=schema.decode("RawHeader", outer["header"]),
            kind=kind,
            content=content,
            protection=outer["protection"][0] if "protection" in outer else None,
            extra_certs=tuple(map(x509.load_der_x509_certificate, outer.get("extraCerts", ()))),
            protected_part=schema.encode("RawProtectedPart", parts),
        )

    @property
    def transaction_id(self) -> bytes | None:
        return self.header.get("transactionID")

    @property
    def sender_nonce(self) -> bytes | None:
        return self.header.get("senderNonce")

    @property
    def recip_nonce(self) -> bytes | None:
        return self.header.get("recipNonce")

    @property
    def algorithm(self) -> dict[str, Any] | None:
        """protectionAlg, if the message has one."""
        der = self.header.get("protectionAlg")
        return schema.decode("AlgorithmIdentifier", der) if der is not None else None

    @property
    def is_signed(self) -> bool:
        """Whether protectionAlg is none of the MACs the client knows."""
        algorithm = self.algorithm
        return algorithm is not None and algorithm["algorithm"] not in algorithms.MACS

    @property
    def general_info(self) -> dict[str, bytes | None]:
        """infoType to the DER of infoValue."""
        return {item["infoType"]: item.get("infoValue") for item in self.header.get("generalInfo", ())}

    @cached_property
    def status_info(self) -> dict[str, Any]:
        """The first PKIStatusInfo of the body; KeyError for bodies that have none."""
        info: dict[str, Any]
        match self.kind:
            case "error":
                info = self.content["pKIStatusInfo"]
            case "ip" | "cp" | "kup" | "ccp":
                info = self.content["response"][0]["status"]
            case "rp":
                info = self.content["status"][0]
            case _:
                raise KeyError(f"{self.kind} has no status")
        return info

    @property
    def status(self) -> str:
        return STATUS[self.status_info["status"]]

    @property
    def text(self) -> str:
        """statusString, its parts joined by "; "."""
        return "; ".join(self.status_info.get("statusString", ()))

    @property
    def fail_info(self) -> tuple[str, ...]:
        """Names of the bits that are set, in their order."""
        octets, size = self.status_info.get("failInfo", (b"", 0))
        return tuple(FAIL_INFO[bit] for bit in range(size) if octets[bit // 8] & (0x80 >> bit % 8))

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate of an ip, cp or kup; KeyError where there is none."""
        kind, der = self.content["response"][0]["certifiedKeyPair"]["certOrEncCert"]
        if kind != "certificate":
            raise KeyError("the certificate is encrypted")
        return x509.load_der_x509_certificate(der)

    @property
    def ca_pubs(self) -> tuple[x509.Certificate, ...]:
        return tuple(map(x509.load_der_x509_certificate, self.content.get("caPubs", ())))

    @property
    def informations(self) -> dict[str, bytes | None]:
        """A genp's content: infoType to the DER of infoValue."""
        return {item["infoType"]: item.get("infoValue") for item in self.content}

    def verify_mac(self, secret: str) -> None:
        """Raises InvalidSignature where the message is not protected by that secret."""
        algorithm = self.algorithm
        if algorithm is None or self.protection is None:
            raise InvalidSignature("the message is not protected")
        verify_mac(algorithm, self.protection, self.protected_part, secret)

    def verify_signature(self, *trusted: x509.Certificate) -> x509.Certificate:
        """The signer's certificate, issued by a trusted one. Raises InvalidSignature."""
        algorithm = self.algorithm
        if algorithm is None or self.protection is None or not self.extra_certs:
            raise InvalidSignature("the message is not signed")
        signer = self.extra_certs[0]
        algorithms.verify(signer.public_key(), algorithm, self.protection, self.protected_part)
        issuers = [each for each in (*trusted, *self.extra_certs[1:]) if each.subject == signer.issuer]
        for issuer in issuers:
            signer.verify_directly_issued_by(issuer)
        if trusted and not issuers:
            raise InvalidSignature(f"nobody trusted has issued {signer.subject.rfc4514_string()}")
        return signer
