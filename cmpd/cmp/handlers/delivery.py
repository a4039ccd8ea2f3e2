"""How a certificate goes to its requester: CertifiedKeyPair (RFC 9810, section 5.3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.cmp.cms import encrypted_certificate
from cmpd.cmp.handlers import generation
from cmpd.cmp.requests.decryption import Method

if TYPE_CHECKING:
    from cmpd.clm.model import Certificate
    from cmpd.cmp.requests.cert_request import CertRequest
    from cmpd.cmp.transaction.exchange import Exchange


def is_encrypted(cert_request: CertRequest) -> bool:
    """Whether the certificate goes encrypted, and certConf proves possession of its key: only then is it
    confirmed (RFC 9810, section 5.2.8.3.2)."""
    return cert_request.deferred_pop is not None and cert_request.deferred_pop.method is Method.CERTIFICATE


async def certified_key_pair(
    exchange: Exchange, cert_request: CertRequest, record: Certificate, pvno: int
) -> dict[str, Any]:
    """The certificate, encrypted where that proves possession, and the private key made for it, shaped as
    `RawCertifiedKeyPair`; `pvno` is that of the request. Raises CMPFailure."""
    if is_encrypted(cert_request):
        certificate = x509.load_der_x509_certificate(record.der)
        encrypted = encrypted_certificate.encrypt(certificate, record.der, pvno, exchange.clm.random)
        return {"certOrEncCert": ("encryptedCert", encrypted)}
    pair: dict[str, Any] = {"certOrEncCert": ("certificate", record.der)}
    if cert_request.generated is not None:
        pair["privateKey"] = await generation.deliver(exchange, cert_request.generated, record, pvno)
    return pair
