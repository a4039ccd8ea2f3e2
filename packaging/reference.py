"""Write cmpd.conf, with every default in a comment, and docs/configuration.md from `cmpd.config`; and
docs/algorithms.md from the rows of `cmpd.clm.pkix.algorithms`.

Usage: python packaging/reference.py    (in the repository; `make reference`)
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from cmpd.clm.pkix.algorithms import HASHES, HMACS, KEYS, SIGNATURES
from cmpd.config import Config, ListenConfig, Rule
from cmpd.server.preconditions import PRECONDITIONS

PROJECT = Path(__file__).parent.parent
SPOKEN = {"store", "master_key", "client.id", "client.secret_file", "listen.address"}
"""The keys that cmpd.conf sets rather than comments, as they are what an operator looks for first."""
EXAMPLES = {
    "listen.tls_certificate": '"tls.pem"',
    "listen.tls_key": '"tls-key.pem"',
    "listen.tls_client_ca": '"tls-clients.pem"',
}

Key = tuple[str, Rule, Any, Any]
"""Dotted name, rule, default, type."""


def sections() -> Iterator[tuple[str, str, list[Key]]]:
    """(name, what it is for, its keys) of each table; the top level first, nameless."""
    yield "", Config.__doc__ or "", list(_keys(Config, ""))
    for name, kind in get_type_hints(Config).items():
        table = ListenConfig if name == "listen" else kind
        if is_dataclass(table):
            yield name, table.__doc__ or "", list(_keys(table, f"{name}."))


def _keys(kind: Any, prefix: str) -> Iterator[Key]:
    hints = get_type_hints(kind)
    for item in fields(kind):
        rule = item.metadata.get("rule")
        if rule is not None and rule.doc:
            yield prefix + item.name, rule, item.default, hints[item.name]


def _value(default: Any) -> str:
    """The default as TOML has it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int):
        return f"{default:_}" if default >= 10_000 else str(default)
    if isinstance(default, tuple):
        return json.dumps(list(default))
    return json.dumps(str(default))


def _range(rule: Rule) -> str:
    if rule.choices:
        return ", ".join(rule.choices)
    if rule.low is None:
        return rule.unit
    return f"{rule.low:_} to {rule.high:_} {rule.unit}".rstrip()


def commented() -> str:
    """cmpd.conf."""
    lines = [
        "# The configuration of cmpd. What is commented out is the default. Paths are relative to this file.",
        "# Any key may come from the environment instead: CMPD_WORKERS=2, CMPD_HTTP_BODY_SIZE=32768,",
        "# CMPD_LISTEN_ADDRESS=0.0.0.0:8504 (with one [[listen]]). `cmpd check` says what would be served.",
        "",
    ]
    for section, purpose, keys in sections():
        if section:
            lines.append(f"# {purpose}")
            lines.append(f"[[{section}]]" if section == "listen" else f"[{section}]")
        for name, rule, default, _ in keys:
            bounds = _range(rule)
            text = f"{rule.doc} ({bounds})" if bounds and not rule.choices else rule.doc
            lines += textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ")
            shown = EXAMPLES.get(name) or _value(default)
            lines += [f"{'' if name in SPOKEN else '# '}{name.rpartition('.')[2]} = {shown}", ""]
    return "\n".join(lines)


def reference() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration reference",
        "",
        "The daemon and every command read `cmpd.conf` (TOML): `-c FILE`, else `$CMPD_CONF`, else",
        "`./cmpd.conf`, else `/etc/cmpd/cmpd.conf`. Paths in it are relative to the file. An unknown key is",
        "an error that names the nearest known one. Policies, templates and CAs are",
        "not here but in the store.",
        "",
        "A key may come from the environment: `CMPD_` and its name in capitals, with `_` for the dot",
        "(`http.body_size` is `CMPD_HTTP_BODY_SIZE`; keys of `[[listen]]` where there is one of them).",
        "",
        "A key marked *reload* changes with SIGHUP (`systemctl reload cmpd`), as do the files that it names;",
        "connections from then on go by it. The others take a restart, as they are for good what a daemon",
        "starts with: its store and who it is there (`store`, `synchronous`, `master_key`, `node`,",
        "`client.id`, `client.secret_file`), its processes and sockets (`workers`, `listen.address`,",
        "`admin.listen`), and how long its parent process waits for the others (`http.drain_timeout`).",
        "",
        "This page is made from the code by `make reference`.",
        "",
    ]
    for section, purpose, keys in sections():
        title = f"[[{section}]]" if section == "listen" else f"[{section}]" if section else "Top level"
        lines += [f"## {title}", purpose.partition("\n")[0], "", "| key | default | values | meaning |"]
        lines.append("| --- | --- | --- | --- |")
        for name, rule, default, _ in keys:
            shown = "none" if default is None else f"`{_value(default)}`"
            meaning = rule.doc.replace("|", "\\|") + ("" if rule.restart else " *reload*")
            lines.append(f"| `{name}` | {shown} | {_range(rule)} | {meaning} |")
        lines.append("")
    return "\n".join([*lines, *_preconditions()]).rstrip() + "\n"


def _preconditions() -> Iterator[str]:
    """What the keys that protect need."""
    yield from (
        "## What protects, and what it needs",
        "A key that asks for protection which cannot be given is refused: `cmpd check` and `cmpd serve` say",
        "so in one line, with exit status 78, and a reload leaves the configuration as it was. What every",
        "other key says holds whatever else is configured.",
        "",
        "| key | gives | needs; without it, it is refused |",
        "| --- | --- | --- |",
    )
    for one in PRECONDITIONS:
        yield f"| `{one.key}` | {one.protection} | {one.needs} |"


def algorithms() -> str:
    """docs/algorithms.md."""
    lines = [
        "# Algorithms",
        "",
        "What cmpd knows, by the names that policies and commands have. This page is made from the rows of",
        "`cmpd/clm/pkix/algorithms/` by `make reference`.",
        "",
        "## Keys",
        "",
        "`keys.algorithms` of a policy says which are certified. Strength is in bits, for the shortest key.",
        "A key that cmpd makes for a device is of the kind asked for, else of the first by preference that",
        "the policy certifies. `cmpd ca create --key` takes the names of that column.",
        "",
        "| name | OID | strength | by default | preference | `--key` | signs best in | other uses |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *_key_rows(),
        "",
        "## Signatures",
        "",
        "`signatures` of a policy says which may protect requests; any of them proves possession of a key.",
        "The hash is that of certHash over a certificate signed so (RFC 9810, section 5.3.18); where there",
        "is none, certConf must name one in hashAlg.",
        "",
        "| name | OID | parameters | keys | protects requests | hash of certHash |",
        "| --- | --- | --- | --- | --- | --- |",
        *_signature_rows(),
        "",
        "## Hash functions and MACs",
        "",
        "`mac.owfs` and `mac.macs` of a policy say which are allowed in PasswordBasedMac and PBMAC1; by",
        "default all may.",
        "",
        "| name | OID | use |",
        "| --- | --- | --- |",
        *_digest_rows(),
    ]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _key_rows() -> Iterator[str]:
    preferred = [row.name for row in KEYS.preferred()]
    for row in KEYS.values():
        oid = f"{row.oid} {row.curve.oid}" if row.curve else row.oid
        uses = {"key transport": row.transports, "key agreement": row.agrees}
        yield _row(
            row.name,
            oid,
            str(row.strength),
            "yes" if row.default else "no",
            str(preferred.index(row.name) + 1) if row.name in preferred else "none",
            ", ".join(row.makers) or "none",
            row.signature or "none",
            ", ".join(use for use, able in uses.items() if able) or "none",
        )


def _signature_rows() -> Iterator[str]:
    for row in SIGNATURES.values():
        keys = [key.name for key in KEYS.values() if key.family == row.family]
        where = "by default" if row.default else "where a policy says so"
        hashed = "that of its parameters" if row.pss else row.certificate_hash or "none"
        yield _row(
            row.name,
            row.oid,
            row.parameters.value,
            ", ".join(keys),
            where if row.protects else "never",
            hashed,
        )


def _digest_rows() -> Iterator[str]:
    for function in HASHES.values():
        use = "owf, signatures, hashAlg" if function.collision_free else "owf"
        yield _row(function.name, function.oid, use)
    for mac in HMACS.values():
        use = "MAC, prf of PBKDF2, shared key" if mac.protects else "MAC of PasswordBasedMac, prf of PBKDF2"
        yield _row(mac.name, ", ".join(mac.oid_names), use)


FILES = {
    PROJECT / "cmpd.conf": commented,
    PROJECT / "docs" / "configuration.md": reference,
    PROJECT / "docs" / "algorithms.md": algorithms,
}

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make().rstrip() + "\n", "utf-8")
