"""Certificates and CRLs at once, for tests that are not about how long signing takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography import x509

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.authorities.crl import Entry, make_crl
from cmpd.clm.authorities.key_kinds.software import SoftwareKey
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.issuer import IssuedCertificate, LocalIssuer, RequestId
from cmpd.clm.issuance.prepare import PreparedCertificate, prepare
from cmpd.clm.model import Certificate, CertificateState, Entity, StoredCRL
from cmpd.clm.pkix.serial_numbers import new_serial

T = TypeVar("T")


def done(work: Coroutine[Any, Any, T]) -> T:
    """What it gives."""
    return asyncio.run(work)


@dataclass(frozen=True)
class Issuance:
    """A certificate as it was prepared, and as it was issued."""

    prepared: PreparedCertificate
    issued: IssuedCertificate
    now: int

    @property
    def der(self) -> bytes:
        return self.issued.der

    @property
    def not_before(self) -> int:
        return self.prepared.not_before

    @property
    def not_after(self) -> int:
        return self.prepared.not_after

    @property
    def modifications(self) -> tuple[str, ...]:
        return self.prepared.modifications

    def record(self) -> Certificate:
        """An active certificate of nobody's."""
        return self.issued.record(
            entity=None, policy=None, transaction=None, state=CertificateState.ACTIVE, issued=self.now
        )


def issue(
    compiled: CompiledPolicy,
    entity: Entity | None,
    request: CertificateRequest,
    *,
    now: int,
    random: Callable[[int], bytes],
    replaced: x509.Name | None = None,
) -> Issuance:
    """A certificate by a policy, signed by its CA's key."""
    serial = new_serial(random)
    prepared = prepare(compiled, entity, request, now=now, serial=serial, replaced=replaced)
    issuer = LocalIssuer(compiled.authority)
    return Issuance(prepared, _at_once(issuer.issue(RequestId(b"t", 0), prepared)), now)


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """What it gives, where it waits for nothing: also in a running event loop."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits for something")


def build_crl(
    authority: Authority, partition: int, number: int, entries: Iterable[Entry], now: int
) -> StoredCRL:
    """A CRL, signed by the CA's key."""
    return done(make_crl(authority, partition, number, entries, now))


def private_key(authority: Authority) -> Any:
    """The private key of a CA that has it in software."""
    assert isinstance(authority.key, SoftwareKey)
    return authority.key._private_key
