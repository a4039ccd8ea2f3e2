"""Central key generation: a key pair made for the requester (RFC 9483, section 4.1.6).

The private key lives in this process from here until it is enveloped for the requester. What a transaction
keeps to answer a retransmission is the response, where it is encrypted.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from cmpd.clm.certificates import name_of
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.cmp.cms import key_package, recipients
from cmpd.cmp.cms.signed import ContentSigner
from cmpd.cmp.information.key_types import key_identifier
from cmpd.cmp.transaction.exchange import Exchange
from cmpd.cmp.transaction.protector import issuing_chain
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import CMP2021, parse_algorithm
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.model import Certificate
    from cmpd.clm.pkix.algorithms import KeyAlgorithm
    from cmpd.cmp.cms.recipients import Recipient
    from cmpd.cmp.protection import PrivateKey
    from cmpd.cmp.requests.cert_request import CertRequest, KeyGenRequest

RSA_KEY_LENGTH: Final = "1.3.6.1.5.5.7.5.1.12"
"""id-regCtrl-rsaKeyLen (RFC 9810, section 5.3.19.16): the bits of an RSA key, which no algorithm says."""

_MAKERS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="keys")
"""So few, so that whoever asks for many keys at once keeps nobody else's work waiting."""


async def completed(exchange: Exchange, cert_request: KeyGenRequest, pvno: int) -> CertRequest:
    """The wish with a key pair just made; `pvno` is that of its request. Raises CMPFailure.

    The key is made in a thread of `_MAKERS`: RSA takes up to seconds.
    """
    policy = exchange.compiled.policy
    cert_request.prove()
    _recipient(exchange, pvno)
    await _authority(exchange)
    name = key_name(cert_request, policy)
    try:
        key = await asyncio.get_running_loop().run_in_executor(_MAKERS, keypairs.generate, name)
    except keypairs.KeyProblem as problem:
        raise CMPFailure(
            FailInfo.systemFailure, f"{name} keys cannot be made here", detail=str(problem)
        ) from None
    return cert_request.with_key(key)


async def deliver(exchange: Exchange, key: PrivateKey, record: Certificate, pvno: int) -> bytes:
    """The private key for CertifiedKeyPair, for nobody but the requester: DER of EncryptedKey. `pvno` is
    that of the request."""
    recipient, authority = _recipient(exchange, pvno), await _authority(exchange)
    exchange.clm.audit(
        exchange.unit,
        exchange.party.actor,
        "key.deliver",
        name_of(record),
        algorithm=keypairs.key_name(key.public_key()),
        recipient=type(recipient).__name__,
    )
    return await asyncio.to_thread(key_package.deliver, key, authority, recipient, exchange.clm.random, pvno)


def key_name(cert_request: KeyGenRequest, policy: Policy) -> str:
    """The key to make, as `keypairs.generate` calls it: what is asked for, as far as the policy
    certifies it. Raises CMPFailure."""
    allowed = policy.keys.algorithms
    if cert_request.algorithm is None:
        preferred = KEYS.preferred()
        kind = next((one for one in preferred if one.name in allowed), preferred[0])
    else:
        kind = _asked(cert_request.algorithm)
    if kind.name not in allowed:
        raise CMPFailure(
            FailInfo.badCertTemplate,
            f"publicKey: {kind.name} keys are not made under this policy; it allows {', '.join(allowed)}",
        )
    return kind.sized(_bits(kind, cert_request, policy)) if kind.sizes else kind.name


def _asked(der: bytes) -> KeyAlgorithm:
    """The kind of key asked for; parameters that are absent leave the curve to the server."""
    try:
        algorithm = parse_algorithm(der)
    except DecodeError as error:
        raise CMPFailure(FailInfo.badDataFormat, "publicKey names no algorithm", detail=str(error)) from None
    for kind in KEYS.preferred():
        if der == key_identifier(kind) or (algorithm.oid == kind.oid and algorithm.parameters is None):
            return kind
    known = ", ".join(kind.name for kind in KEYS.preferred())
    raise CMPFailure(
        FailInfo.badCertTemplate,
        f"publicKey: keys of this algorithm are not made here; those made are {known}",
    )


def _bits(kind: KeyAlgorithm, cert_request: KeyGenRequest, policy: Policy) -> int:
    """Of an RSA key: those asked for, or the fewest that the policy certifies."""
    sizes = [size for size in kind.sizes if policy.keys.rsa_min <= size <= policy.keys.rsa_max]
    control = cert_request.controls.get(RSA_KEY_LENGTH)
    if control is None and sizes:
        return sizes[0]
    try:
        bits: int = schema.decode("RsaKeyLenCtrl", control) if control is not None else 0
    except DecodeError as error:
        raise CMPFailure(FailInfo.badDataFormat, "rsaKeyLen is no RsaKeyLenCtrl", detail=str(error)) from None
    if bits not in sizes:
        known = ", ".join(map(str, sizes)) or "none"
        raise CMPFailure(
            FailInfo.badCertTemplate, f"publicKey: RSA keys of other lengths are made here ({known})"
        )
    return bits


async def _authority(exchange: Exchange) -> ContentSigner:
    """The key generation authority of the CA that issues; the first key asked for has it certified."""
    authority: Authority | None = exchange.compiled.authority
    kga = authority.kga if authority else None
    if kga is None or exchange.now > kga.not_after:
        await exchange.clm.upkeep.look_at_calendar()
        authority = await exchange.clm.catalog.authority(exchange.compiled.authority.id)
        kga = authority.kga if authority else None
    if authority is None or kga is None or exchange.now > kga.not_after:
        raise CMPFailure(
            FailInfo.systemFailure,
            "no key can be made: the CA has no key generation authority",
            detail=f"CA {exchange.compiled.authority.name} has no valid certificate with id-kp-cmKGA",
        )
    return ContentSigner(kga.key, kga.key_id, (kga.certificate_der, *issuing_chain(authority)))


def _recipient(exchange: Exchange, pvno: int) -> Recipient:
    """Who protected the request, by the means of its protection; `pvno` is that of the request."""
    party = exchange.party
    if party.mac is not None:
        secret, usable = exchange.clm.credentials.shared_secret(party.entity)
        if not usable:
            raise CMPFailure(FailInfo.notAuthorized, "the shared secret is not valid any more")
        return recipients.PasswordRecipient(secret) if pvno >= CMP2021 else recipients.PasswordKEK(secret)
    if party.certificate is None:
        raise CMPFailure(FailInfo.systemFailure, "internal error", detail="nobody to make a key for")
    return recipients.for_certificate(party.certificate)
