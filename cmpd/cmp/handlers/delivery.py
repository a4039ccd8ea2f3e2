"""How a certificate goes to its requester: CertifiedKeyPair (RFC 9810, section 5.3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.cmp.cms import certificates
from cmpd.cmp.decryption import Method
from cmpd.cmp.handlers import generation

if TYPE_CHECKING:
    from cmpd.clm.model import Certificate
    from cmpd.cmp.exchange import Exchange
    from cmpd.cmp.wish import Wish


def is_encrypted(wish: Wish) -> bool:
    """Whether the certificate goes encrypted, and certConf proves possession of its key: only then is it
    confirmed (RFC 9810, section 5.2.8.3.2)."""
    return wish.promise is not None and wish.promise.method is Method.CERTIFICATE


async def certified_key_pair(
    exchange: Exchange, wish: Wish, record: Certificate, pvno: int
) -> dict[str, Any]:
    """The certificate, encrypted where that proves possession, and the private key made for it, shaped as
    `RawCertifiedKeyPair`; `pvno` is that of the request. Raises CMPFailure."""
    if is_encrypted(wish):
        certificate = x509.load_der_x509_certificate(record.der)
        encrypted = certificates.encrypt(certificate, record.der, pvno, exchange.clm.random)
        return {"certOrEncCert": ("encryptedCert", encrypted)}
    pair: dict[str, Any] = {"certOrEncCert": ("certificate", record.der)}
    if wish.generated is not None:
        pair["privateKey"] = await generation.deliver(exchange, wish.generated, record, pvno)
    return pair
