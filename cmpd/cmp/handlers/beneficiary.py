"""Whom a certificate is for, and whether the requester is granted one for them (RFC 9483, section 5.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from cmpd.clm.pkix.names import same_name
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.party import Capacity
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmpd.clm.issuance.prepare import PreparedCertificate
    from cmpd.clm.model import Certificate, Entity
    from cmpd.clm.store.changes import Unit
    from cmpd.cmp.requests.cert_request import CertRequest
    from cmpd.cmp.transaction.exchange import Exchange


async def granted(
    exchange: Exchange, operation: Operation, cert_request: CertRequest, old: Certificate | None
) -> Entity | None:
    """The end entity that the certificate is for; None: it is for none. Raises CMPFailure where the party is
    not granted a certificate for it."""
    subject, names = cert_request.request.subject, subject_alternative_names(cert_request.request.extensions)
    entity = await _entity(exchange, subject, old)
    _require(exchange, operation, cert_request, old, entity, subject, names)
    party = exchange.party
    if party.capacity is Capacity.NEWCOMER and party.certificate is not None:
        return _added(exchange, exchange.clm.register(party.certificate, exchange.compiled.policy.id))
    if entity is None and party.capacity is Capacity.RA and exchange.compiled.policy.register and old is None:
        return _registered(exchange, subject)
    return entity


def before_the_key(exchange: Exchange, operation: Operation) -> None:
    """Raises CMPFailure where the party is granted no certificate, whatever its names, or no key made."""
    exchange.require(Operation.KEY_GENERATION, Target.NONE)
    capacity = exchange.party.capacity
    if operation is Operation.KUR:
        exchange.require(operation, Target.OTHERS if exchange.party.record is None else Target.ITSELF)
    elif capacity is not Capacity.RA:
        exchange.require(operation, Target.ITSELF if capacity is Capacity.UNREGISTERED else Target.ENTITY)


async def check_prepared(
    exchange: Exchange,
    operation: Operation,
    cert_request: CertRequest,
    prepared: PreparedCertificate,
    old: Certificate | None,
) -> None:
    """The same for the names that the certificate really has, once template and policy made them. Raises
    CMPFailure."""
    if exchange.party.capacity not in (Capacity.RA, Capacity.UNREGISTERED):
        return
    names = subject_alternative_names(x509.Extensions(prepared.extensions))
    entity = await _entity(exchange, prepared.subject, old)
    _require(exchange, operation, cert_request, old, entity, prepared.subject, names)


def subject_alternative_names(extensions: x509.Extensions) -> Sequence[x509.GeneralName]:
    """Those there are."""
    try:
        return list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()


async def _entity(exchange: Exchange, subject: x509.Name, old: Certificate | None) -> Entity | None:
    party = exchange.party
    if party.capacity is not Capacity.RA or old is party.record is not None:
        return party.entity
    if old is not None and old.entity is not None:
        return await exchange.clm.credentials.entity(old.entity)
    return await exchange.clm.credentials.entity_of_subject(subject)


def _require(
    exchange: Exchange,
    operation: Operation,
    cert_request: CertRequest,
    old: Certificate | None,
    entity: Entity | None,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
) -> None:
    exchange.require(
        operation,
        _whom(exchange, operation, old, subject, names),
        record=old,
        beneficiary=entity,
        key_hash=cert_request.key_hash,
        subject=subject,
        names=names,
    )


def _whom(
    exchange: Exchange,
    operation: Operation,
    old: Certificate | None,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
) -> Target:
    party = exchange.party
    if operation is Operation.KUR:
        if old is not None and old is party.record:
            return Target.ITSELF
        return Target.CAS if old is not None and old.policy is None else Target.OTHERS
    if party.capacity is Capacity.RA:
        return Target.OTHERS
    if party.capacity is Capacity.UNREGISTERED and party.certificate is not None:
        own = party.certificate
        same_san = _compared(subject_alternative_names(own.extensions)) == _compared(names)
        return Target.ITSELF if same_san and same_name(own.subject, subject) else Target.OTHERS
    return Target.ENTITY


def _compared(names: Sequence[x509.GeneralName]) -> set[x509.GeneralName]:
    """The names as they compare: host names without regard to case (RFC 5280, section 7.2)."""
    return {x509.DNSName(one.value.lower()) if isinstance(one, x509.DNSName) else one for one in names}


def _registered(exchange: Exchange, subject: x509.Name) -> Entity:
    """The device as an end entity, by its subject (a policy's `register`)."""
    if not list(subject):
        raise CMPFailure(
            FailInfo.badCertTemplate, "subject: it is empty; under this policy a device is registered by it"
        )
    return _added(exchange, exchange.clm.register_subject(subject, exchange.compiled.policy.id))


def _added(exchange: Exchange, registered: tuple[Entity, Unit]) -> Entity:
    entity, unit = registered
    exchange.unit += unit
    return entity
