"""What must hold for whatever octets arrive, and the judge of it.

Each input is sent as it is, and, where it has the outline of a PKIMessage, once more under a MAC that
verifies, so that mutations reach what lies behind authentication. The answer must be a PKIMessage, come
in time, and be no internal error; and a certificate may come into being only for a request whose MAC and
proof of possession verify, by this file's own reckoning.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from cmpd.clm.entities.throttle import Throttle
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD, DEMO_POLICY
from cmpd.clm.model import Certificate
from cmpd.cmp.wire import schema
from tests.cmp.world import FOREIGN_POLICY, ISSUING, PBM, SECOND_POLICY, World
from tests.cmpclient.response import Response
from tests.judge import model
from tests.judge import oracle as judged

SLOW = 5.0
"""Seconds an answer may take, on a machine that does other things too."""
ENROLMENTS = ("ir", "cr", "kur", "p10cr")
HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}


USAGES = {
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.17"),
}
"""What the template of the world's policies names: clientAuth, serverAuth, ipsecIKE."""


class Finding(AssertionError):
    """The server did what it must not."""


class Oracle:
    """Sends octets to a world of its own, and judges."""

    def __init__(self, world: World) -> None:
        self._world = world
        names = (DEMO_POLICY, "default"), (SECOND_POLICY, "second"), (FOREIGN_POLICY, "foreign")
        cas = (
            one.subject
            for authority in world.run(world.clm.authorities())
            for one in (authority.certificate, authority.signer.certificate)
        )
        self._model = model.World(
            policies={id: model.Policy(id, name) for id, name in names},
            default=DEMO_POLICY,
            entities={DEMO_ENTITY: model.Entity(DEMO_ENTITY, frozenset({DEMO_POLICY, SECOND_POLICY}))},
            cas=frozenset(model.compared(one.rfc4514_string()) for one in cas),
        )
        self._issued = len(world.certificates())
        self.inputs = 0
        self.protected = 0
        """Inputs that could be sent under a right MAC as well."""

    def judge(self, octets: bytes) -> None:
        """Raises Finding."""
        self.inputs += 1
        self._send(octets)
        again = under_a_right_mac(octets)
        if again is not None:
            self.protected += 1
            self._send(again)

    def _send(self, octets: bytes) -> None:
        started = time.monotonic()
        reply = self._world.respond(octets)
        if time.monotonic() - started > SLOW:
            raise Finding(f"the answer took more than {SLOW} seconds")
        if reply.log_entry.fail_info in ("systemFailure", "systemUnavail"):
            raise Finding(f"{reply.log_entry.fail_info}: {reply.log_entry.text}: {reply.log_entry.detail}")
        try:
            Response.parse(reply.body)
        except ValueError as error:
            raise Finding(f"the answer is no PKIMessage: {error}") from error
        if reply.log_entry.response in ("ip", "cp", "kup") and not reply.log_entry.retransmission:
            self._judge_issue(octets)
        if reply.log_entry.response == "rp" and reply.log_entry.status == "accepted":
            self._judge_revocation(reply.log_entry.serial)

    def _judge_issue(self, octets: bytes) -> None:
        issued = len(self._world.certificates())
        new, self._issued = issued - self._issued, issued
        if new > 1:
            raise Finding(f"one message gave {new} certificates")
        if new and not deserves_one(octets):
            raise Finding("a certificate was issued for a message that should get none")
        if new:
            self._judge_grant(octets, self._world.certificates()[-1])

    def _judge_grant(self, octets: bytes, record: Certificate) -> None:
        """Hold what was issued to the demo entity against the promises (`tests.judge.oracle`)."""
        kind = Response.parse(_without_extra_certs(octets)).kind
        asked = model.Request(
            kind, model.Sender("password", DEMO_ENTITY), record.policy, subject=record.subject
        )
        verdict = judged.judge(self._model, asked)
        if not verdict.granted or record.entity != verdict.entity:
            raise Finding(f"{record.subject} for {record.entity} is against the promises: {verdict}")
        certificate = x509.load_der_x509_certificate(record.der)
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
                raise Finding("a device got a CA's certificate")
            if isinstance(extension.value, x509.ExtendedKeyUsage) and not set(extension.value) <= USAGES:
                raise Finding("a device got usages that its template does not name")

    def _judge_revocation(self, serial: str) -> None:
        record = self._world.run(self._world.clm.issued.certificate(ISSUING, int(serial, 16)))
        if record is None or record.entity != DEMO_ENTITY:
            raise Finding(f"certificate {serial} was revoked, which is not the demo entity's")


@contextmanager
def oracle() -> Iterator[Oracle]:
    """An oracle over a fresh server in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="cmpd-fuzz-") as folder:
        unbounded = {"transactions_max": 0, "transactions_per_party": 0}
        world = World(Path(folder), settings={"time_tolerance": 0, **unbounded})
        hours = itertools.count(step=3600.0)
        world.clm.credentials.throttle = Throttle(lambda: next(hours))  # nobody has to wait here
        try:
            yield Oracle(world)
        finally:
            world.close()


def under_a_right_mac(octets: bytes) -> bytes | None:
    """The message with the demo entity's protection instead of its own; None where it has no header."""
    try:
        outer = schema.decode("RawMessage", octets)
        header = schema.decode("RawHeader", outer["header"])
    except schema.DecodeError:
        return None
    algorithm, protect = PBM.start()
    header["protectionAlg"] = schema.encode("AlgorithmIdentifier", algorithm)
    header["senderKID"] = PBM.sender_kid
    outer["header"] = schema.encode("RawHeader", header)
    parts = {"header": outer["header"], "body": outer["body"]}
    tag = protect(schema.encode("RawProtectedPart", parts))
    outer["protection"] = (tag, 8 * len(tag))
    return schema.encode("RawMessage", outer)


def deserves_one(octets: bytes) -> bool:
    """Whether a message may be answered by a certificate: its MAC and its proof of possession verify."""
    try:
        message = Response.parse(_without_extra_certs(octets))
        if message.kind not in ENROLMENTS:
            return False
        message.verify_mac(DEMO_PASSWORD)
        if message.kind == "p10cr":
            return x509.load_der_x509_csr(_pkcs10(message.content)).is_signature_valid
        (request,) = message.content
        return _possesses(request)
    except (AssertionError, ValueError, KeyError, InvalidSignature):
        return False


def _without_extra_certs(octets: bytes) -> bytes:
    """The message without what its protection does not cover; a MAC needs none of it."""
    outer = schema.decode("RawMessage", octets)
    outer.pop("extraCerts", None)
    return schema.encode("RawMessage", outer)


def _pkcs10(content: Any) -> bytes:
    return schema.encode("RawCertificationRequest", content)


def _possesses(request: dict[str, Any]) -> bool:
    kind, proof = request["popo"]
    if kind != "signature":
        return kind in ("keyEncipherment", "keyAgreement")  # proved later, by decryption
    wanted = schema.decode("RawCertRequest", bytes(request["certReq"]))
    spki = schema.encode("RawSubjectPublicKeyInfo", wanted["certTemplate"]["publicKey"])
    key = load_der_public_key(spki)
    oid = schema.decode("AlgorithmIdentifier", bytes(proof["algorithmIdentifier"]))["algorithm"]
    data, signature = bytes(request["certReq"]), proof["signature"][0]
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(HASHES[oid]))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), HASHES[oid])
    else:
        return False
    return True
