"""Whole transactions (RFC 9483, section 4), over a transport."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tests.cmpclient import requests
from tests.cmpclient.message import OMIT, Body, build
from tests.cmpclient.protection import Protection, SharedSecret
from tests.cmpclient.response import Response
from tests.cmpclient.transports import Transport

IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13"
NULL = b"\x05\x00"


class ClientError(AssertionError):
    """The response is not one a client may take."""


@dataclass
class Client:
    """Someone who speaks CMP: where to, and as whom."""

    transport: Transport
    protection: Protection | None
    trusted: tuple[x509.Certificate, ...] = ()
    """Issuers of CMP signers; with none, any signature that verifies will do."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Arguments of `message.build` for every message, such as `pvno=3`."""

    def begin(self, **fields: Any) -> Transaction:
        """A transaction; `fields` go into each of its messages."""
        return Transaction(self, {**self.defaults, **fields})

    def enrol(self, kind: str, key: PrivateKeyTypes, subject: Any = "CN=device", **asked: Any) -> Enrolment:
        """ir or cr, confirmed with certConf."""
        return self.begin().enrol((kind, [requests.certificate_request(key, subject, **asked)]))

    def enrol_implicitly(
        self, kind: str, key: PrivateKeyTypes, subject: Any = "CN=device", **asked: Any
    ) -> Enrolment:
        """ir or cr, with implicitConfirm asked for and granted."""
        transaction = self.begin(general_info={IMPLICIT_CONFIRM: NULL})
        return transaction.enrol((kind, [requests.certificate_request(key, subject, **asked)]))

    def enrol_pkcs10(self, key: PrivateKeyTypes, subject: Any = "CN=device", **asked: Any) -> Enrolment:
        """p10cr, confirmed with certConf."""
        return self.begin().enrol(requests.pkcs10(key, subject, **asked))

    def update(self, old: x509.Certificate, key: PrivateKeyTypes, **asked: Any) -> Enrolment:
        """kur of a certificate, confirmed with certConf; the subject is the old one."""
        controls = requests.old_certificate(old)
        request = requests.certificate_request(key, old.subject, controls=controls, **asked)
        return self.begin().enrol(("kur", [request]))

    def revoke(self, certificate: x509.Certificate, reason: int | None = None, **changes: Any) -> Response:
        """rr of one certificate; the rp, whatever it says."""
        body = requests.revocation(certificate.issuer, certificate.serial_number, reason, **changes)
        return self.begin().send(body)

    def ask(self, *asked: str | tuple[str, bytes]) -> Response:
        """genm; the genp, or an error."""
        return self.begin().send(requests.general_message(*asked))


@dataclass(frozen=True)
class Enrolment:
    """What a certificate request came to."""

    certificate: x509.Certificate
    response: Response
    confirmed: Response | None
    """The pkiconf; None where confirmation was implicit."""


@dataclass
class Transaction:
    """Messages under one transactionID."""

    client: Client
    fields: dict[str, Any]
    transaction_id: bytes = field(default_factory=lambda: os.urandom(16))
    server_nonce: bytes | None = None
    """senderNonce of the last response, recipNonce of the next request."""
    last_request: bytes = b""

    def compose(self, body: Body | bytes, **changes: Any) -> bytes:
        """The next message, unsent; `changes` are arguments of `message.build`."""
        arguments: dict[str, Any] = {
            "protection": self.client.protection,
            "transaction_id": self.transaction_id,
            "recip_nonce": OMIT if self.server_nonce is None else self.server_nonce,
            **self.fields,
            **changes,
        }
        return build(body, **arguments)

    def send(self, body: Body | bytes, **changes: Any) -> Response:
        """Send a message, and take a response that is protected and belongs to it."""
        response = self.send_as_is(self.compose(body, **changes))
        self.check(response)
        return response

    def send_as_is(self, request: bytes) -> Response:
        """Send octets; the response is read, and not judged."""
        self.last_request = request
        response = Response.parse(self.client.transport(request))
        self.server_nonce = response.sender_nonce
        return response

    def check(self, response: Response) -> None:
        """Raises ClientError unless the response is the answer to the last request and protected."""
        request = Response.parse(self.last_request)
        if response.transaction_id != request.transaction_id:
            raise ClientError("the response is of another transaction")
        if response.recip_nonce != request.sender_nonce:
            raise ClientError("recipNonce is not the senderNonce of the request")
        if len(response.sender_nonce or b"") != 16:
            raise ClientError("senderNonce is not 128 bits")
        self._verify(response)

    def _verify(self, response: Response) -> None:
        protection = self.client.protection
        if response.is_signed:
            response.verify_signature(*self.client.trusted)
        elif isinstance(protection, SharedSecret):
            response.verify_mac(protection.secret)
        elif protection is not None:
            raise ClientError("the response is not signed")

    def enrol(self, body: Body) -> Enrolment:
        """Send a certificate request, and confirm what comes unless that was granted implicitly."""
        response = self.send(body)
        if response.status not in ("accepted", "grantedWithMods"):
            raise ClientError(f"{response.kind} {response.status} {response.fail_info}: {response.text}")
        certificate = response.certificate
        if IMPLICIT_CONFIRM in response.general_info:
            return Enrolment(certificate, response, None)
        return Enrolment(certificate, response, self.confirm(response))

    def confirm(self, response: Response, **changes: Any) -> Response:
        """certConf for the response's certificate; `changes` are arguments of `requests.confirmation`."""
        cert_req_id = response.content["response"][0]["certReqId"]
        arguments = {"cert_req_id": cert_req_id, **changes}
        confirmed = self.send(requests.confirmation(response.certificate, **arguments))
        if confirmed.kind != "pkiconf":
            raise ClientError(f"certConf is answered by {confirmed.kind}: {confirmed.content}")
        return confirmed

    def poll(self, cert_req_id: int = 0, *, attempts: int = 3) -> Sequence[Response]:
        """pollReq until something else than pollRep comes, without waiting; all responses."""
        responses: list[Response] = []
        for _ in range(attempts):
            responses.append(self.send(requests.poll_request(cert_req_id)))
            if responses[-1].kind != "pollRep":
                break
        return responses
