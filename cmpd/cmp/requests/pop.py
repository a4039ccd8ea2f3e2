"""Proof of possession by signature (RFC 4211, section 4.1; RFC 9810, section 5.2.8.2; RFC 2986).

The same table of algorithms serves here as for message protection. A wrong proof is badPOP, an algorithm
that is unknown or does not fit the key badAlg. Whether raVerified counts is the caller's to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmpd.cmp.protection import signature
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import parse_algorithm

if TYPE_CHECKING:
    from cmpd.cmp.protection import PublicKey


def verify(
    popo: tuple[str, Any] | None,
    cert_request: bytes,
    template: dict[str, Any],
    public_key: PublicKey,
    sender: bytes | None = None,
) -> None:
    """Verify the popo of a CertReqMsg.

    `popo` and `template` are shaped as `RawProofOfPossession` and `RawCertTemplate`; `cert_request` is the
    CertRequest's DER as it came; `sender` the DER of the GeneralName that the message's protection
    authenticated, for a request that names no subject. Raises CMPFailure.
    """
    if popo is None:
        raise CMPFailure(FailInfo.badPOP, "popo is missing; a signature with the new key is expected")
    kind, value = popo
    if kind == "raVerified":
        raise CMPFailure(FailInfo.notAuthorized, "raVerified is an RA's to say")
    if kind != "signature":
        choice, told = value
        kind += f" with {choice}" if choice != "subsequentMessage" else f" with {choice} {told}"
        raise CMPFailure(
            FailInfo.badPOP,
            f"popo {kind} is not supported; a signature is, and for keys that decrypt subsequentMessage "
            "encrCert (0) or challengeResp (1)",
        )
    signed = cert_request
    if "poposkInput" in value:
        signed = _signing_key_input(value["poposkInput"], template, sender)
    elif "subject" not in template or "publicKey" not in template:
        raise CMPFailure(
            FailInfo.badPOP,
            "popo must contain poposkInput, since certTemplate does not contain both subject and publicKey",
        )
    _check(value["algorithmIdentifier"], value["signature"], signed, public_key)


def verify_pkcs10(request: dict[str, Any], public_key: PublicKey) -> None:
    """Verify a PKCS #10 request's own signature; `request` is shaped as `RawCertificationRequest`.

    Raises CMPFailure.
    """
    signed = request["certificationRequestInfo"]
    _check(request["signatureAlgorithm"], request["signature"], signed, public_key)


def _signing_key_input(value: dict[str, Any], template: dict[str, Any], sender: bytes | None) -> bytes:
    """The DER of POPOSigningKeyInput, which is signed where the template does not say it all."""
    if "subject" in template and "publicKey" in template:
        raise CMPFailure(
            FailInfo.badPOP, "popo has poposkInput, though certTemplate has both subject and publicKey"
        )
    if value["publicKey"] != template.get("publicKey"):
        raise CMPFailure(FailInfo.badPOP, "poposkInput's publicKey is not that of certTemplate")
    choice, identity = value["authInfo"]
    if choice != "sender":
        raise CMPFailure(FailInfo.badPOP, "poposkInput's publicKeyMAC is not supported; sender is expected")
    if sender is None or identity != sender:
        raise CMPFailure(FailInfo.badPOP, "poposkInput's sender is not the sender of the message")
    return schema.encode("RawPOPOSigningKeyInput", value)


def _check(algorithm: bytes, proof: tuple[bytes, int], signed: bytes, public_key: PublicKey) -> None:
    try:
        parsed = signature.parse(parse_algorithm(algorithm))
    except schema.DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "the proof of possession names no algorithm", detail=str(error)
        ) from None
    octets, bits = proof
    if bits != 8 * len(octets) or not parsed.verifies(public_key, octets, signed):
        raise CMPFailure(FailInfo.badPOP, "the proof of possession does not verify with the requested key")
