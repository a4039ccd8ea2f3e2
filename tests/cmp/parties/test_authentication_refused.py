"""Protection that does not hold (RFC 9483, sections 3.2 and 3.5): each message is an ir with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.world import (
    MACHINE,
    OTHER_PBM,
    PBM,
    SIGNING,
    STRANGER,
    VENDOR,
    World,
    signed_by,
)
from tests.cmpclient import OMIT, algorithms, requests
from tests.cmpclient.algorithms import HASHES, HMACS, identifier

KEY = pki.key("P-256", 90)
BODY = ("ir", [requests.certificate_request(KEY, "CN=device")])
NO_SUCH_SECRET = "protection does not verify: the reference is not known or the secret is another"


def pbm_parameters(**changes: Any) -> dict[str, Any]:
    """A protectionAlg of PasswordBasedMac."""
    value = {
        "salt": bytes(16),
        "owf": identifier(HASHES["sha256"]),
        "iterationCount": 500,
        "mac": identifier(HMACS["sha256"]),
        **changes,
    }
    return identifier(algorithms.PASSWORD_BASED_MAC, schema.encode("PBMParameter", value))


def pbmac1_parameters(scheme: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A protectionAlg of PBMAC1 with PBKDF2."""
    value = {
        "salt": ("specified", bytes(16)),
        "iterationCount": 1000,
        "keyLength": 32,
        "prf": identifier(HMACS["sha256"], algorithms.NULL),
        **changes,
    }
    parameters = {
        "keyDerivationFunc": identifier(algorithms.PBKDF2, schema.encode("PBKDF2-params", value)),
        "messageAuthScheme": scheme or identifier(HMACS["sha256"], algorithms.NULL),
    }
    return identifier(algorithms.PBMAC1_OID, schema.encode("PBMAC1-params", parameters))


@dataclass(frozen=True)
class Row:
    """A message that is right but for one thing, and what it is answered."""

    fail_info: str
    text: str
    protection: Callable[[World], cmpclient.Protection] = lambda world: PBM
    changes: Callable[[World], dict[str, Any]] = lambda world: {}
    body: Any = BODY


def by_mac(**changes: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: changes


def plan(number: int, **changes: Any) -> pki.Plan:
    """A vendor certificate to be."""
    base = pki.Plan(pki.name(f"machine {number}"), pki.key("P-256", number), extensions=((SIGNING, True),))
    return replace(base, **changes)


ENCIPHERING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=True,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def vendor(**changes: Any) -> Callable[[World], cmpclient.Protection]:
    """The registered machine's vendor certificate, but for changes."""
    return lambda world: signed_by(plan(91, **changes).issue(VENDOR))


def machine(world: World) -> cmpclient.Protection:
    return signed_by(MACHINE)


def revoked(world: World) -> cmpclient.Protection:
    device = world.device(number=92)
    world.client().revoke(device.certificate, 1)
    return device


def held(world: World) -> cmpclient.Protection:
    device = world.device(number=92)
    world.client().revoke(device.certificate, 6)
    return device


def unconfirmed(world: World) -> cmpclient.Protection:
    key = pki.key("P-256", 93)
    response = world.client().begin().send(("ir", [requests.certificate_request(key, "CN=device")]))
    return cmpclient.Signature(response.certificate, key)


def rejected(world: World) -> cmpclient.Protection:
    key = pki.key("P-256", 93)
    transaction = world.client().begin()
    response = transaction.send(("ir", [requests.certificate_request(key, "CN=device")]))
    transaction.send(requests.confirmation(None))
    return cmpclient.Signature(response.certificate, key)


def with_other_key(world: World) -> cmpclient.Protection:
    return replace(signed_by(MACHINE), key=pki.key("P-256", 94))


ROWS: dict[str, Row] = {
    # PasswordBasedMac (RFC 9810, section 5.1.3.1)
    "MAC: another secret": Row("badMessageCheck", NO_SUCH_SECRET, lambda world: replace(PBM, secret="no")),
    "MAC: an unknown reference": Row(
        "badMessageCheck", NO_SUCH_SECRET, lambda world: replace(PBM, reference="nobody-we-know")
    ),
    "MAC: the UUID of no entity": Row(
        "badMessageCheck", NO_SUCH_SECRET, lambda world: replace(PBM, reference="0" * 8 + DEMO_ENTITY[8:])
    ),
    "MAC: another entity's secret": Row(
        "badMessageCheck", NO_SUCH_SECRET, lambda world: replace(PBM, secret=OTHER_PBM.secret)
    ),
    "MAC: no senderKID": Row("badMessageCheck", "senderKID is missing", changes=by_mac(sender_kid=OMIT)),
    "MAC: an empty senderKID": Row("badMessageCheck", "senderKID is missing", changes=by_mac(sender_kid=b"")),
    "MAC: over another header": Row(
        "badMessageCheck", NO_SUCH_SECRET, changes=by_mac(tamper=lambda bits: bytes(len(bits)))
    ),
    "MAC: cut short": Row("badMessageCheck", NO_SUCH_SECRET, changes=by_mac(tamper=lambda bits: bits[:16])),
    "MAC: made longer": Row(
        "badMessageCheck", NO_SUCH_SECRET, changes=by_mac(tamper=lambda bits: bits + bytes(1))
    ),
    "PBM: too few iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbm_parameters(iterationCount=99))
    ),
    "PBM: too many iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbm_parameters(iterationCount=10_001))
    ),
    "PBM: no iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbm_parameters(iterationCount=0))
    ),
    "PBM: negative iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbm_parameters(iterationCount=-1))
    ),
    "PBM: iterations beyond all numbers": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbm_parameters(iterationCount=2**70))
    ),
    "PBM: an unknown one-way function": Row(
        "badAlg", "", changes=by_mac(protection_alg=pbm_parameters(owf=identifier("1.2.3.4")))
    ),
    "PBM: an unknown MAC": Row(
        "badAlg", "", changes=by_mac(protection_alg=pbm_parameters(mac=identifier("1.2.3.4")))
    ),
    "PBM: MD5": Row(
        "badAlg", "", changes=by_mac(protection_alg=pbm_parameters(owf=identifier("1.2.840.113549.2.5")))
    ),
    "PBM: without salt": Row("badAlg", "salt", changes=by_mac(protection_alg=pbm_parameters(salt=b""))),
    "PBM: a salt without end": Row(
        "badAlg", "salt", changes=by_mac(protection_alg=pbm_parameters(salt=bytes(2000)))
    ),
    "PBM: without parameters": Row(
        "badAlg", "", changes=by_mac(protection_alg=identifier(algorithms.PASSWORD_BASED_MAC))
    ),
    "PBM: with NULL for parameters": Row(
        "badAlg", "", changes=by_mac(protection_alg=identifier(algorithms.PASSWORD_BASED_MAC, b"\x05\x00"))
    ),
    # PBMAC1 (RFC 9481, section 6.1.2)
    "PBMAC1: too many iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbmac1_parameters(iterationCount=500_001))
    ),
    "PBMAC1: too few iterations": Row(
        "badAlg", "iteration", changes=by_mac(protection_alg=pbmac1_parameters(iterationCount=1))
    ),
    "PBMAC1: an unknown PRF": Row(
        "badAlg", "", changes=by_mac(protection_alg=pbmac1_parameters(prf=identifier("1.2.3.4")))
    ),
    "PBMAC1: an unknown scheme": Row(
        "badAlg", "", changes=by_mac(protection_alg=pbmac1_parameters(scheme=identifier("1.2.3.4")))
    ),
    "PBMAC1: without parameters": Row(
        "badAlg", "", changes=by_mac(protection_alg=identifier(algorithms.PBMAC1_OID))
    ),
    "PBMAC1: another secret": Row(
        "badMessageCheck", NO_SUCH_SECRET, lambda world: cmpclient.PBMAC1(DEMO_ENTITY, "no")
    ),
    # HMAC with the secret itself (RFC 9481, section 6.2.1)
    "HMAC: not allowed by the policy": Row(
        "badAlg", "", lambda world: cmpclient.SharedKey(DEMO_ENTITY, DEMO_PASSWORD)
    ),
    # Signatures
    "signature: of another key": Row("badMessageCheck", "", with_other_key),
    "signature: without the certificate": Row(
        "badMessageCheck", "neither in extraCerts nor known", machine, by_mac(extra_certs=[])
    ),
    "signature: with another's certificate": Row(
        "badMessageCheck", "neither in extraCerts nor known", machine, by_mac(extra_certs=[STRANGER.der])
    ),
    "signature: sender is another": Row(
        "badMessageCheck", "sender is not the subject", machine, by_mac(sender=pki.name("somebody else"))
    ),
    "signature: sender is NULL-DN": Row(
        "badMessageCheck", "sender is not the subject", machine, by_mac(sender=x509.Name([]))
    ),
    "signature: sender is not a directoryName": Row(
        "badMessageCheck",
        "sender is not the subject",
        machine,
        by_mac(sender=schema.encode("RawGeneralName", ("rfc822Name", "machine@example.com"))),
    ),
    "signature: senderKID is another": Row(
        "badMessageCheck", "neither in extraCerts nor known", machine, by_mac(sender_kid=bytes(20))
    ),
    "signature: extraCerts holds no certificate": Row(
        "badDataFormat",
        "extraCerts contains something that is not a certificate",
        machine,
        by_mac(extra_certs=[b"\x30\x00"]),
    ),
    "signature: extraCerts holds too many": Row(
        "badDataFormat", "more than 32", machine, by_mac(extra_certs=[MACHINE.der] * 33)
    ),
    "signature: by nobody trusted": Row(
        "signerNotTrusted", "is not trusted", lambda world: signed_by(plan(95).issue(None))
    ),
    "signature: under a CA of the same name with another key": Row(
        "signerNotTrusted",
        "is not trusted",
        lambda world: signed_by(plan(96).issue(replace(VENDOR, key=pki.key("P-256", 97)))),
    ),
    "signature: keyUsage without digitalSignature": Row(
        "signerNotTrusted", "does not have digitalSignature", vendor(extensions=((ENCIPHERING, True),))
    ),
    "signature: an expired certificate": Row("signerNotTrusted", "", vendor(days=(-10, -1))),
    "signature: a certificate of tomorrow": Row("signerNotTrusted", "", vendor(days=(1, 10))),
    "signature: a vendor certificate nobody registered": Row(
        "notAuthorized", "no end entity is registered", lambda world: signed_by(STRANGER)
    ),
    "signature: a revoked certificate": Row("certRevoked", "is revoked", revoked),
    "signature: a certificate on hold": Row("certRevoked", "is revoked", held),
    "signature: a rejected certificate": Row("certRevoked", "is revoked", rejected),
    "signature: an unconfirmed certificate": Row("signerNotTrusted", "not confirmed yet", unconfirmed),
    "signature: with MD5": Row(
        "badAlg", "", machine, by_mac(protection_alg=identifier("1.2.840.113549.1.1.4", algorithms.NULL))
    ),
    "signature: with SHA-1": Row(
        "badAlg", "", machine, by_mac(protection_alg=identifier("1.2.840.10045.4.1"))
    ),
    "signature: of another kind than the key": Row(
        "badAlg", "", machine, by_mac(protection_alg=identifier("1.3.101.112"))
    ),
    "signature: ECDSA with parameters": Row(
        "badAlg", "", machine, by_mac(protection_alg=identifier("1.2.840.10045.4.3.2", b"\x04\x00"))
    ),
}


@pytest.fixture(autouse=True)
def _well_known(world: World) -> None:
    """Guesses count, until the entity proves that it knows its secret."""
    assert world.client().ask("1.3.6.1.5.5.7.4.17").kind == "genp"


@pytest.mark.parametrize("row", ROWS)
def test_protection_with_one_mistake_is_refused(world: World, row: str) -> None:
    case = ROWS[row]
    protection = case.protection(world)
    changes = case.changes(world)
    before = world.kept()
    transaction = world.client(protection).begin()
    response = transaction.send_as_is(transaction.compose(case.body, **changes))
    assert (response.kind, response.fail_info) == ("error", (case.fail_info,))
    assert case.text in response.text
    assert DEMO_PASSWORD not in response.text
    response.verify_signature(world.authority)
    assert world.kept() == before
