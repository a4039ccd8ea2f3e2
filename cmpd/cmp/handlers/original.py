"""origPKIMessage: what an RA changed, as it was (RFC 9810, section 5.1.1.3; RFC 9483, section 5.2.3)."""

from __future__ import annotations

import hmac

from cmpd.cmp.requests.cert_request import CertRequest, read_cert_request
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Message
from cmpd.cmp.wire.schema import DecodeError

ORIG_PKI_MESSAGE = "1.3.6.1.5.5.7.4.15"


def check_possession(request: Message, cert_request: CertRequest) -> None:
    """Verify the original's proof of possession where an RA says raVerified and sends the original along.

    Raises CMPFailure where the original is none, or proves nothing of the key that is asked for.
    """
    value = request.header.general_info.get(ORIG_PKI_MESSAGE)
    if value is None:
        return
    first = _read(value)
    row = BODY_TYPES.get(first.tag)
    if row is None or not row.certifies:
        raise CMPFailure(
            FailInfo.badPOP, f"origPKIMessage is a {first.kind}, which proves no possession of a key"
        )
    wanted = read_cert_request(first)
    if not isinstance(wanted, CertRequest) or not hmac.compare_digest(wanted.key_hash, cert_request.key_hash):
        raise CMPFailure(FailInfo.badPOP, "origPKIMessage asks for a certificate of another key")
    wanted.prove()


def _read(value: bytes) -> Message:
    try:
        originals = schema.decode("RawCertificates", value)
        if len(originals) != 1:
            raise CMPFailure(
                FailInfo.badDataFormat, f"origPKIMessage holds {len(originals)} messages, one is expected"
            )
        return message.parse(bytes(originals[0]))
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "origPKIMessage does not contain a PKIMessage", detail=str(error)
        ) from None
