"""MAC protection: PasswordBasedMac, PBMAC1 and HMAC with a shared key (RFC 9481, section 6)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from hypothesis import given
from hypothesis import strategies as st

from cmpd.cmp import protection
from cmpd.cmp.protection import hashing, mac, pbm, pbmac1
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from tests.clm.pki import key
from tests.cmp.protection import openssl

if TYPE_CHECKING:
    from pathlib import Path

SALT = bytes(range(16))
SECRET = b"GTTgcdagW:OGJ73_"
BOUNDS = mac.Bounds()

SHA256 = {"algorithm": hashing.HASH_OIDS["SHA-256"]}
HMAC_SHA256 = {"algorithm": hashing.HMAC_OIDS["HMAC-SHA256"]}
NULL = {"parameters": b"\x05\x00"}


def algorithm(oid: str, parameters: bytes | None) -> message.Algorithm:
    value: dict[str, Any] = {"algorithm": oid}
    if parameters is not None:
        value["parameters"] = parameters
    return message.parse_algorithm(schema.encode("AlgorithmIdentifier", value))


def pbm_algorithm(**changes: Any) -> message.Algorithm:
    value = {"salt": SALT, "owf": SHA256, "iterationCount": 500, "mac": HMAC_SHA256, **changes}
    return algorithm(pbm.OID, schema.encode("PBMParameter", value))


def pbmac1_algorithm(
    scheme: dict[str, Any] = HMAC_SHA256, kdf: str = pbmac1.PBKDF2, **changes: Any
) -> message.Algorithm:
    value = {
        "salt": ("specified", SALT),
        "iterationCount": 1000,
        "keyLength": 32,
        "prf": HMAC_SHA256,
        **changes,
    }
    present = {name: field for name, field in value.items() if field is not None}
    derivation = {"algorithm": kdf, "parameters": schema.encode("PBKDF2-params", present)}
    parameters = schema.encode(
        "PBMAC1-params", {"keyDerivationFunc": derivation, "messageAuthScheme": scheme}
    )
    return algorithm(pbmac1.OID, parameters)


@pytest.mark.parametrize("owf", sorted(hashing.HASH_OIDS))
@pytest.mark.parametrize("oid", sorted(hashing.HMACS))
def test_password_based_mac_is_what_rfc_9810_says(owf: str, oid: str) -> None:
    parsed = mac.parse(
        pbm_algorithm(
            owf={"algorithm": hashing.HASH_OIDS[owf], **NULL},
            mac={"algorithm": oid, **NULL},
            iterationCount=100,
        ),
        BOUNDS,
    )
    base_key = SECRET + SALT
    for _ in range(100):
        base_key = hashlib.new(owf.replace("-", ""), base_key).digest()
    expected = hmac.new(base_key, b"data", hashing.HMACS[oid].removeprefix("HMAC-")).digest()
    assert parsed.tag(parsed.derive(SECRET), b"data") == expected


@pytest.mark.parametrize("prf", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"])
@pytest.mark.parametrize("scheme", ["HMAC-SHA224", "HMAC-SHA256", "HMAC-SHA384", "HMAC-SHA512"])
def test_pbmac1_is_pbkdf2_and_hmac(prf: str, scheme: str) -> None:
    parsed = mac.parse(
        pbmac1_algorithm(
            {"algorithm": hashing.HMAC_OIDS[scheme], **NULL}, prf={"algorithm": hashing.HMAC_OIDS[prf]}
        ),
        BOUNDS,
    )
    function = getattr(hashes, prf.removeprefix("HMAC-"))
    derived = PBKDF2HMAC(function(), 32, SALT, 1000).derive(SECRET)
    assert parsed.derive(SECRET) == derived
    assert parsed.tag(derived, b"data") == hmac.new(derived, b"data", scheme.removeprefix("HMAC-")).digest()


def test_pbmac1_without_prf_means_sha1_and_without_key_length_the_macs_size() -> None:
    parsed = mac.parse(pbmac1_algorithm(prf=None, keyLength=None), BOUNDS)
    assert parsed.derive(SECRET) == hashlib.pbkdf2_hmac("sha1", SECRET, SALT, 1000, 32)


def test_hmac_with_a_shared_key_takes_the_secret_as_it_is() -> None:
    parsed = mac.parse(algorithm(hashing.HMAC_OIDS["HMAC-SHA256"], None), BOUNDS)
    assert parsed.tag(parsed.derive(b"k" * 32), b"data") == hmac.digest(b"k" * 32, b"data", "sha256")


def test_the_response_repeats_the_requests_algorithm() -> None:
    for one in (pbm_algorithm(), pbmac1_algorithm(), algorithm(hashing.HMAC_OIDS["HMAC-SHA512"], None)):
        assert mac.parse(one, BOUNDS).identifier == one.der


def test_only_a_long_pbkdf2_is_heavy() -> None:
    assert not mac.parse(pbm_algorithm(iterationCount=10_000), BOUNDS).heavy
    assert not mac.parse(pbmac1_algorithm(iterationCount=1000), BOUNDS).heavy
    assert mac.parse(pbmac1_algorithm(iterationCount=500_000), BOUNDS).heavy


def oid(value: str, **parameters: bytes) -> dict[str, Any]:
    return {"algorithm": value, **parameters}


REFUSED: list[tuple[str, message.Algorithm]] = [
    ("PBM without parameters", algorithm(pbm.OID, None)),
    ("PBM with NULL", algorithm(pbm.OID, b"\x05\x00")),
    ("PBM with parameters of another type", algorithm(pbm.OID, pbmac1_algorithm().parameters)),
    ("owf MD5", pbm_algorithm(owf=oid("1.2.840.113549.2.5"))),
    ("owf SHA3-256", pbm_algorithm(owf=oid("2.16.840.1.101.3.4.2.8"))),
    ("owf with parameters", pbm_algorithm(owf={**SHA256, "parameters": b"\x02\x01\x01"})),
    ("owf is a MAC", pbm_algorithm(owf=HMAC_SHA256)),
    ("mac HMAC-MD5", pbm_algorithm(mac=oid("1.3.6.1.5.5.8.1.1"))),
    ("mac is a hash", pbm_algorithm(mac=SHA256)),
    ("mac with parameters", pbm_algorithm(mac={**HMAC_SHA256, "parameters": b"\x04\x00"})),
    ("99 iterations", pbm_algorithm(iterationCount=99)),
    ("no iterations", pbm_algorithm(iterationCount=0)),
    ("negative iterations", pbm_algorithm(iterationCount=-500)),
    ("10001 iterations", pbm_algorithm(iterationCount=10_001)),
    ("2^2000 iterations", pbm_algorithm(iterationCount=1 << 2000)),
    ("no salt", pbm_algorithm(salt=b"")),
    ("salt of 7 octets", pbm_algorithm(salt=bytes(7))),
    ("salt of 65 octets", pbm_algorithm(salt=bytes(65))),
    ("PBMAC1 without parameters", algorithm(pbmac1.OID, None)),
    ("PBMAC1 with another KDF", pbmac1_algorithm(kdf="1.3.6.1.4.1.11591.4.11")),
    ("PBMAC1 with HMAC-SHA1", pbmac1_algorithm(oid(hashing.HMAC_OIDS["HMAC-SHA1"]))),
    ("PBMAC1 with prf MD5", pbmac1_algorithm(prf=oid("1.2.840.113549.2.6"))),
    ("PBMAC1 with a salt from elsewhere", pbmac1_algorithm(salt=("otherSource", SHA256))),
    ("PBMAC1 with a short salt", pbmac1_algorithm(salt=("specified", bytes(4)))),
    ("PBMAC1 with 500001 iterations", pbmac1_algorithm(iterationCount=500_001)),
    ("PBMAC1 with 99 iterations", pbmac1_algorithm(iterationCount=99)),
    ("PBMAC1 with keyLength 15", pbmac1_algorithm(keyLength=15)),
    ("PBMAC1 with keyLength 65", pbmac1_algorithm(keyLength=65)),
    ("PBMAC1 with keyLength 2^70", pbmac1_algorithm(keyLength=1 << 70)),
    ("HMAC with parameters", algorithm(hashing.HMAC_OIDS["HMAC-SHA256"], b"\x02\x01\x05")),
    ("HMAC-SHA1 with a shared key", algorithm(hashing.HMAC_OIDS["HMAC-SHA1"], None)),
    ("a signature algorithm", algorithm("1.2.840.113549.1.1.11", b"\x05\x00")),
    ("an unknown algorithm", algorithm("1.2.3.4", None)),
    ("DHBasedMac", algorithm("1.2.840.113533.7.66.30", None)),
]


@pytest.mark.parametrize("refused", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_inadmissible_mac_parameters_are_refused_with_badAlg(refused: message.Algorithm) -> None:
    with pytest.raises(CMPFailure) as raised:
        mac.parse(refused, BOUNDS)
    assert raised.value.fail_info is FailInfo.badAlg
    assert len(raised.value.text) < 200


def test_the_refusal_names_what_was_wrong_and_what_is_accepted() -> None:
    with pytest.raises(CMPFailure, match="the iteration count is 99, 100 to 10000 are accepted"):
        mac.parse(pbm_algorithm(iterationCount=99), BOUNDS)
    with pytest.raises(CMPFailure, match=r"the owf MD5 \(1\.2\.840\.113549\.2\.5\) is not supported"):
        mac.parse(pbm_algorithm(owf=oid("1.2.840.113549.2.5")), BOUNDS)


@dataclass(frozen=True)
class Rules:
    """What a policy says about MACs."""

    owfs: tuple[str, ...] = ("SHA-256",)
    macs: tuple[str, ...] = ("HMAC-SHA256",)
    iterations_min: int = 500
    iterations_max: int = 1000
    pbkdf2_iterations_max: int = 100_000
    shared_key_hmac: bool = True


PERMITTED: list[tuple[str, message.Algorithm, Rules, bool]] = [
    ("PBM", pbm_algorithm(), Rules(), True),
    ("owf", pbm_algorithm(), Rules(owfs=("SHA-512",)), False),
    ("mac", pbm_algorithm(), Rules(macs=("HMAC-SHA512",)), False),
    ("too few iterations", pbm_algorithm(iterationCount=499), Rules(), False),
    ("too many iterations", pbm_algorithm(iterationCount=1001), Rules(), False),
    ("PBMAC1", pbmac1_algorithm(), Rules(), True),
    ("PBMAC1 prf", pbmac1_algorithm(prf=oid(hashing.HMAC_OIDS["HMAC-SHA512"])), Rules(), False),
    ("PBMAC1 MAC", pbmac1_algorithm(oid(hashing.HMAC_OIDS["HMAC-SHA512"])), Rules(), False),
    ("PBMAC1 too many iterations", pbmac1_algorithm(iterationCount=100_001), Rules(), False),
    ("shared key", algorithm(hashing.HMAC_OIDS["HMAC-SHA256"], None), Rules(), True),
    (
        "shared key off",
        algorithm(hashing.HMAC_OIDS["HMAC-SHA256"], None),
        Rules(shared_key_hmac=False),
        False,
    ),
    ("shared key MAC", algorithm(hashing.HMAC_OIDS["HMAC-SHA512"], None), Rules(), False),
]


@pytest.mark.parametrize(
    ("chosen", "rules", "permitted"), [row[1:] for row in PERMITTED], ids=[row[0] for row in PERMITTED]
)
def test_a_policy_narrows_what_a_sender_may_choose(
    chosen: message.Algorithm, rules: Any, permitted: bool
) -> None:
    parsed = mac.parse(chosen, BOUNDS)
    if permitted:
        mac.permit(parsed, rules)
        return
    with pytest.raises(CMPFailure) as raised:
        mac.permit(parsed, rules)
    assert raised.value.fail_info is FailInfo.badAlg


@given(data=st.binary(max_size=200), flipped=st.integers(min_value=0, max_value=255))
def test_a_mac_verifies_as_made_and_with_no_bit_changed(data: bytes, flipped: int) -> None:
    parsed = mac.parse(pbm_algorithm(iterationCount=100), BOUNDS)
    derived = parsed.derive(SECRET)
    tag = parsed.tag(derived, data)
    assert parsed.verify(derived, tag, data)
    changed = bytearray(tag)
    changed[flipped // 8] ^= 1 << flipped % 8
    assert not parsed.verify(derived, bytes(changed), data)
    assert not parsed.verify(derived, tag[:-1], data)
    assert not parsed.verify(parsed.derive(SECRET + b"x"), tag, data)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("function", ["hmac-sha1", "hmacWithSHA256", "hmacWithSHA512"])
def test_what_openssl_protects_with_a_password_verifies(tmp_path: Path, digest: str, function: str) -> None:
    der = openssl.with_password(tmp_path, key("P-256"), "-digest", digest, "-mac", function)
    request = message.parse(der)
    used = request.header.protection_alg
    assert used is not None
    assert protection.family(used.oid) == "mac"
    parsed = mac.parse(used, BOUNDS)
    assert isinstance(parsed, pbm.PasswordBasedMac)
    assert parsed.owf.replace("-", "").lower() == digest
    assert request.protection is not None
    assert parsed.verify(parsed.derive(SECRET), request.protection, request.protected_part)
    assert not parsed.verify(parsed.derive(b"wrong"), request.protection, request.protected_part)
