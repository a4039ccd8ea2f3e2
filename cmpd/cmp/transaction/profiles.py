"""certProfile: a client names what it wants a certificate for (RFC 9810, section 5.1.1.4).

A name is that of a policy, its UUID, or a template which the policy of the address offers as a profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.client import Client, InvalidIdentifier
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.wire.message import Message

CERT_PROFILE = "1.3.6.1.5.5.7.4.21"


def names(message: Message, *, most: int = 1) -> list[str]:
    """The profile names of a message, empty ones for what has none. Raises CMPFailure."""
    value = message.header.general_info.get(CERT_PROFILE)
    if value is None:
        return []
    try:
        given: list[str] = schema.decode("CertProfileValue", value)
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "certProfile is not a list of names", detail=str(error)
        ) from None
    if len(given) > most:
        raise CMPFailure(
            FailInfo.badRequest, f"certProfile has {len(given)} names, {most} are expected at most"
        )
    return given


def select(clm: Client, snapshot: ConfigSnapshot, compiled: CompiledPolicy, name: str) -> CompiledPolicy:
    """What the name stands for at an address that serves `served`. Raises CMPFailure."""
    if name in ("", compiled.policy.name, compiled.policy.id, compiled.template.name):
        return compiled
    if name in compiled.choices:
        return compiled.choices[name]
    try:
        return clm.policy_by_name(snapshot, name)
    except InvalidIdentifier:
        try:
            return clm.policy(snapshot, name)
        except InvalidIdentifier as error:
            raise unknown(name, str(error)) from None


def unknown(name: str, detail: str) -> CMPFailure:
    """What a client is told of a profile that is not there, or not for it."""
    return CMPFailure(FailInfo.badRequest, f"certProfile {name!r} is not known", detail=detail)
