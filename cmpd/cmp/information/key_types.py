"""Which keys are certified, which algorithms preferred (RFC 9810, 5.3.19.2 to 5.3.19.4, 5.3.19.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.algorithms.definitions import Parameters
from cmpd.cmp.cms.identifiers import AES256_CBC, identifier
from cmpd.cmp.protection.hashing import NULL
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.pkix.algorithms import KeyAlgorithm
    from cmpd.cmp.transaction.exchange import Exchange


def key_identifier(kind: KeyAlgorithm) -> bytes:
    """DER of the AlgorithmIdentifier, as SubjectPublicKeyInfo has it (RFC 3279, 5480, 8410, 9881)."""
    if kind.curve is not None:
        return identifier(kind.oid, schema.encode("RawNamedCurve", kind.curve.oid))
    return identifier(kind.oid, NULL if kind.parameters is Parameters.NULL else None)


def certified(compiled: CompiledPolicy) -> list[KeyAlgorithm]:
    """The kinds of key the policy certifies, in its order."""
    return [KEYS[name] for name in compiled.policy.keys.algorithms]


async def signing(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """signKeyPairTypes."""
    return _listed(compiled, lambda kind: kind.signs)


async def encrypting(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """encKeyPairTypes."""
    return _listed(compiled, lambda kind: kind.encrypts)


async def preferred_symmetric(
    exchange: Exchange, compiled: CompiledPolicy, value: bytes | None
) -> bytes | None:
    """preferredSymmAlg: what `cmpd.cmp.cms` encrypts with."""
    return identifier(AES256_CBC)


async def parameters(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """keyPairParamRep: the algorithm with the parameters the policy likes best."""
    try:
        asked = schema.decode("RawNamedCurve", value or b"")
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "keyPairParamReq names no algorithm by its OID", detail=str(error)
        ) from None
    return next((key_identifier(kind) for kind in certified(compiled) if kind.oid == asked), None)


def _listed(compiled: CompiledPolicy, fits: Callable[[KeyAlgorithm], bool]) -> bytes | None:
    identifiers = [key_identifier(kind) for kind in certified(compiled) if fits(kind)]
    return schema.encode("RawCertificates", identifiers) if identifiers else None
