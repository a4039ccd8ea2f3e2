"""`cmpd check`: what the daemon would serve, in words, and what stands in its way or should not stay so."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import StoreCommand, login, now, print_json, set_command, time_text
from cmpd.printable import printable
from cmpd.times import seconds_of

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.configuration.catalog import Catalog
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.store.base import Store
    from cmpd.config import Config

DAY = 86_400
SOON = 30 * DAY
"""Before a CA's or a signer's end, when to say so, in seconds."""


@dataclass(slots=True)
class Findings:
    """What the check came to."""

    serves: list[str] = field(default_factory=list)
    """What would be served."""
    warnings: list[str] = field(default_factory=list)
    """What works, but should not stay as it is."""
    faults: list[str] = field(default_factory=list)
    """What would not work."""


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "check",
        help=COMMANDS["check"],
        description="Check configuration and store. Exit status 78 where something would not be served.",
    )
    set_command(parser, _check, json=True)


async def _check(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.entities.identity_advice import judged
    from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY
    from cmpd.clm.store.place import shown
    from cmpd.server import preconditions

    preconditions.require(place.config)
    await place.store.check()
    client = await login(place)
    findings = Findings()
    findings.serves += [f"store {shown(place.config.store)}"]
    findings.serves += _listeners(place.config)
    findings.warnings += _weak_settings(place.config)
    findings.warnings += _ending_tls(place.config, now())
    await _judge_policies(findings, client.catalog, place.config.client.id)
    findings.warnings += await _missing_crls(place.store, client.catalog, now())
    for authority in await client.catalog.authorities():
        _judge_authority(findings, authority, now())
    findings.faults += await client.catalog.problems()
    policies = {one.policy.id: one.policy for one in await client.catalog.policies()}
    findings.warnings += await judged(place.store, policies)
    if await place.store.entity(DEMO_ENTITY):
        findings.warnings.append("the demo's end entity is there, and everybody knows its password")
    _print(findings, arguments)
    return os.EX_CONFIG if findings.faults else os.EX_OK


def _listeners(config: Config) -> Iterator[str]:
    for listener in config.listen:
        kind = "HTTPS" if listener.tls_certificate else "HTTP"
        yield f"CMP over {kind} at {listener.address}"
    if config.admin.listen:
        yield f"health and metrics at {config.admin.listen}"


def _ending_tls(config: Config, time: int) -> Iterator[str]:
    """Of certificates that were found fit for use."""
    from cryptography import x509

    for path in dict.fromkeys(one.tls_certificate for one in config.listen if one.tls_certificate):
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        left = seconds_of(certificate.not_valid_after_utc) - time
        if left < SOON:
            when = f"expires in {left // DAY} days" if left > 0 else f"expired {-left // DAY} days ago"
            yield f"the TLS certificate {path} {when}; put a renewed one in its place"


def _weak_settings(config: Config) -> Iterator[str]:
    if config.http.basic_over_http:
        yield "http.basic_over_http: passwords of Basic authentication can be read on the way"
    if config.admin.listen and not config.admin.listen.startswith(("unix:", "127.", "localhost:", "[::1]:")):
        yield f"admin.listen: whoever reaches {config.admin.listen} reads health and metrics"
    if config.synchronous != "full":
        yield "synchronous: a power failure may undo what was said last"
    if config.cmp.pbm_iterations_min < 100:
        yield f"cmp.pbm_iterations_min: {config.cmp.pbm_iterations_min} iterations make guessing cheap"
    if config.cmp.time_tolerance == 0:
        yield "cmp.time_tolerance: messages of any age are taken"
    elif 2 * config.cmp.time_tolerance > config.cmp.transaction_memory:
        yield "cmp.time_tolerance: messages are taken for longer than transactions are remembered"


async def _judge_policies(findings: Findings, catalog: Catalog, client_id: str) -> None:
    client = await catalog.client(client_id)
    compiled = [one for one in await catalog.policies() if client and client.may_use(one.policy.id)]
    for one in sorted(compiled, key=lambda one: one.policy.name):
        default = client is not None and client.default_policy == one.policy.id
        paths = f"/cmp/{one.policy.id} and /.well-known/cmp/p/{one.policy.name}"
        findings.warnings += [f"policy {one.policy.name}: {open_}" for open_ in _open_settings(one)]
        findings.serves.append(
            f"policy {one.policy.name}: CA {one.authority.name}, template {one.template.name}, at "
            + (f"/cmp, {paths}" if default else paths)
        )
    if client is not None and client.default_policy is None:
        findings.warnings.append(f"API client {client.id} has no default policy: /cmp serves nothing")
    elif client is not None and client.default_policy not in {one.policy.id for one in compiled}:
        findings.faults.append(f"API client {client.id}: its default policy is not there or cannot be served")


def _open_settings(compiled: CompiledPolicy) -> Iterator[str]:
    """Where a policy lets a request have more than its template says, as what `init` made once did."""
    from cryptography import x509

    from cmpd.clm.documents.rules.san import SanRules
    from cmpd.clm.pkix.usages import eku_name
    from cmpd.clm.settings import duration_text

    policy = compiled.policy
    templates = list(
        {one.template.name: one.template for one in (compiled, *compiled.choices.values())}.values()
    )
    if policy.validity.longest is None and policy.validity.requested_validity == "grant":
        longest = duration_text(max(template.validity for template in templates))
        yield f"a request may ask for any validity up to the CA's end; set validity.longest={longest}"
    for template in templates:
        more = set(template.requested_extended_key_usage) - set(template.extended_key_usage)
        if more and "extendedKeyUsage" in template.take:
            names = ", ".join(sorted(eku_name(x509.ObjectIdentifier(oid)) for oid in more))
            yield (
                f"a request may have {names} instead of the usages of template {template.name}; "
                "set template=tls-client or a template without them, in profiles too"
            )
    takes = any("subjectAltName" in template.take for template in templates)
    if takes and set(policy.san.kinds) >= set(SanRules().kinds):
        yield "a request may have subjectAltNames of any kind; list those that are meant in san.kinds"


async def _missing_crls(store: Store, catalog: Catalog, time: int) -> list[str]:
    """Imported CRLs out of date, and issuers without one in date at policies that demand it."""
    from cryptography import x509

    from cmpd.clm.imported_crls.stored import imported_crls
    from cmpd.clm.pkix import paths

    imported = await imported_crls(store)
    found = [
        f"the imported CRL {crl.id} of {printable(crl.issuer.rfc4514_string())} was to be renewed by "
        f"{time_text(crl.next_update)}; import the next one with `cmpd crl import FILE`"
        for crl in imported
        if not crl.is_in_date(time)
    ]
    in_date = [crl for crl in imported if crl.is_in_date(time)]
    own = {authority.certificate_der for authority in await catalog.authorities()}
    for compiled in sorted(await catalog.policies(), key=lambda one: one.policy.name):
        if compiled.policy.revocation != "required":
            continue
        for der in dict.fromkeys(compiled.policy.certificates()):
            issuer = x509.load_der_x509_certificate(der)
            if (
                der not in own
                and paths.is_ca(issuer)
                and not any(crl.is_signed_by(issuer) for crl in in_date)
            ):
                found.append(
                    f"policy {compiled.policy.name}: revocation is required, and no CRL in date of "
                    f"{printable(issuer.subject.rfc4514_string())} was imported: what that issued is refused"
                )
    return found


def _judge_authority(findings: Findings, authority: Authority, time: int) -> None:
    from cmpd.clm.authorities.lifetimes import fault_of

    findings.serves.append(
        f"CA {authority.name}: {authority.certificate.subject.rfc4514_string()}, "
        f"until {time_text(authority.not_after)}"
    )
    fault = fault_of(authority, time)
    if fault is not None:
        findings.faults.append(str(fault))
    for what, end, remedy in (
        (
            f"CA {authority.name}",
            authority.not_after,
            f"`cmpd ca rollover {authority.name}` makes the next one",
        ),
        (
            f"the CMP signer of CA {authority.name}",
            authority.signer.not_after,
            "cmpd renews it while it serves",
        ),
    ):
        if time < end < time + SOON:
            findings.warnings.append(f"{what} expires in {(end - time) // DAY} days; {remedy}")


def _print(findings: Findings, arguments: argparse.Namespace) -> None:
    if arguments.json:
        faults = {"faults": findings.faults, "warnings": findings.warnings}
        print_json({"serves": findings.serves, **faults})
        return
    for line in findings.serves:
        print(line)
    for heading, lines in (("warning", findings.warnings), ("FAULT", findings.faults)):
        for line in lines:
            print(f"{heading}: {line}")
    if not findings.faults:
        print("ready to serve")
