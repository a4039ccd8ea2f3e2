"""A CA's key and an issuer that are elsewhere: what PKCS #11 and an upstream CA are to the server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.authorities.key_ref import KeyRef, KeyUnavailable
from cmpd.clm.issuance.issuer import (
    IssuancePending,
    IssuedCertificate,
    IssuerUnavailable,
    LocalIssuer,
    RequestId,
)
from cmpd.clm.issuance.prepare import PreparedCertificate
from cmpd.clm.model import Certificate, StoredCRL
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.keypairs import SigningKey
from cmpd.clm.secrets import MasterKey


class SlowKey(KeyRef):
    """Answers after 50 ms, from a thread, and fails where it is told to. The store only knows its label."""

    kind = "slow"
    labels: dict[bytes, SlowKey] = {}  # noqa: RUF012 - all there are

    def __init__(self, label: bytes, private_key: SigningKey) -> None:
        self._label = label
        self._private_key = private_key
        self.public_key = private_key.public_key()
        self.fails = False
        self.signed_octets: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self.labels[label] = self

    @classmethod
    async def generate(cls, algorithm: str) -> KeyRef:
        return cls(algorithm.encode(), keypairs.generate(algorithm))

    @classmethod
    def opened(cls, stored: bytes, master_key: MasterKey, context: str) -> KeyRef:
        if stored not in cls.labels:
            raise keypairs.KeyProblem("the token has no key of that label")
        return cls.labels[stored]

    async def sign(self, data: bytes) -> bytes:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await asyncio.to_thread(self._sign, data)
        finally:
            self.at_once -= 1

    def _sign(self, data: bytes) -> bytes:
        time.sleep(0.05)
        if self.fails:
            raise KeyUnavailable("the token was removed")
        self.signed_octets.append(data)
        return self.algorithm.sign(self._private_key, data)

    def stored(self, master_key: MasterKey, context: str) -> bytes:
        return self._label


class PatientIssuer:
    """Says that the certificate is pending, as often as it is told, then issues it. What it was asked is
    counted."""

    claims = True

    def __init__(self, authority: Authority, pending: int = 1) -> None:
        self.authority = authority
        self.pending = pending
        self.fails = False
        self.issued: Counter[RequestId] = Counter()
        self.told: list[tuple[int, int]] = []
        self._local = LocalIssuer(authority)
        self._prepared: dict[str, PreparedCertificate] = {}

    async def issue(
        self, request: RequestId, prepared: PreparedCertificate
    ) -> IssuedCertificate | IssuancePending:
        self.issued[request] += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise IssuerUnavailable("the CA does not answer")
        ticket = request.transaction.hex()
        self._prepared[ticket] = prepared
        return await self.collect(request, ticket)

    async def collect(self, request: RequestId, ticket: str) -> IssuedCertificate | IssuancePending:
        if self.fails:
            raise IssuerUnavailable("the CA does not answer")
        if self.pending:
            self.pending -= 1
            return IssuancePending(ticket)
        return await self._local.issue(request, self._prepared[ticket])

    async def revoke(self, certificate: Certificate, reason: int) -> None:
        self.told.append((certificate.serial, reason))

    async def crl(self, partition: int, number: int, entries: Iterable[Any], now: int) -> StoredCRL:
        return await self._local.crl(partition, number, entries, now)
