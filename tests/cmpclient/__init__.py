"""A CMP client of the tests' own: every message by keyword arguments, each to be broken in one place.

It shares nothing with cmpd but the ASN.1 (`cmpd.cmp.wire.schema`), so that what both get wrong is not agreed
upon by accident.

- `protection`: PBM, PBMAC1, SharedKey, Signature; make protection, and verify it
- `requests`: the bodies that ask: certificate requests, confirmations, revocations, polls
- `message`: a PKIMessage around a body, and what may be changed about it
- `response`: a PKIMessage that came back, read
- `client`: whole transactions over a transport (octets there, octets back)
- `transports`: a responder in this process, or HTTP
"""

from tests.cmpclient.client import Client, ClientError, Enrolment, Transaction
from tests.cmpclient.message import OMIT, build
from tests.cmpclient.protection import PBM, PBMAC1, Protection, SharedKey, Signature
from tests.cmpclient.requests import (
    certificate_request,
    confirmation,
    pkcs10,
    poll_request,
    popo,
    revocation,
)
from tests.cmpclient.response import Response
from tests.cmpclient.transports import Transport, http_transport, in_process

__all__ = [
    "OMIT",
    "PBM",
    "PBMAC1",
    "Client",
    "ClientError",
    "Enrolment",
    "Protection",
    "Response",
    "SharedKey",
    "Signature",
    "Transaction",
    "Transport",
    "build",
    "certificate_request",
    "confirmation",
    "http_transport",
    "in_process",
    "pkcs10",
    "poll_request",
    "popo",
    "revocation",
]
