"""The parameters of RSASSA-PSS (RFC 4055, section 3.1; RFC 5756), read and written."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cmpd.clm.pkix.algorithms.definitions import PSSParameters
from cmpd.clm.pkix.algorithms.rsa import LARGEST_MODULUS, pss
from cmpd.cmp.protection import hashing
from cmpd.cmp.protection.mac_table import describe
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from cmpd.clm.pkix.algorithms import SignatureAlgorithm

MGF1: Final = "1.2.840.113549.1.1.8"


@cache
def encode(parameters: PSSParameters) -> bytes:
    """DER of RSASSA-PSS-params."""
    inner = schema.encode("AlgorithmIdentifier", _identifier(parameters.mgf_hash))
    return schema.encode(
        "RSASSA-PSS-params",
        {
            "hashAlgorithm": _identifier(parameters.hash),
            "maskGenAlgorithm": {"algorithm": MGF1, "parameters": inner},
            "saltLength": parameters.salt_length,
        },
    )


def _identifier(name: str) -> dict[str, Any]:
    return {"algorithm": hashing.HASH_OIDS[name], "parameters": hashing.NULL}


def read(row: SignatureAlgorithm, parameters: bytes | None) -> SignatureAlgorithm:
    """The row with the parameters that DER has. Raises CMPFailure badAlg; so it does where SHA-1 is meant by
    leaving a field out."""
    if parameters is None:
        raise CMPFailure(FailInfo.badAlg, f"{row.name} has no parameters, and requires them")
    try:
        value = schema.decode("RSASSA-PSS-params", parameters)
        if "maskGenAlgorithm" not in value or "hashAlgorithm" not in value:
            raise CMPFailure(FailInfo.badAlg, f"{row.name} with SHA-1 is not supported; SHA-2 is expected")
        mgf = value["maskGenAlgorithm"]
        mgf_hash = schema.decode("AlgorithmIdentifier", mgf.get("parameters", b""))
    except schema.DecodeError as error:
        raise CMPFailure(
            FailInfo.badAlg, f"the parameters of {row.name} are malformed", detail=str(error)
        ) from None
    if mgf["algorithm"] != MGF1:
        raise CMPFailure(
            FailInfo.badAlg, f"{row.name}: the mask generation {describe(mgf['algorithm'])} is not supported"
        )
    salt_length = value.get("saltLength", 20)
    if not 0 <= salt_length <= LARGEST_MODULUS // 8 or value.get("trailerField", 1) != 1:
        raise CMPFailure(FailInfo.badAlg, f"{row.name}: saltLength or trailerField is inadmissible")
    hashed, masked = (_sha2(row.name, one) for one in (value["hashAlgorithm"], mgf_hash))
    return pss(PSSParameters(hashed, masked, salt_length))


def _sha2(algorithm: str, identifier: dict[str, Any]) -> str:
    name = hashing.HASHES.get(identifier["algorithm"])
    if name not in hashing.SIGNED or identifier.get("parameters") not in (None, hashing.NULL):
        raise CMPFailure(
            FailInfo.badAlg,
            f"{algorithm}: the hash function {describe(identifier['algorithm'])} is not supported",
        )
    return name
