"""docs/policies.md is true: every key is there, every example applies, and requests get what it says."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.configuration.objects import Draft
from cmpd.clm.declare.declaration import Declaration
from cmpd.clm.documents.policy import policy_keys
from cmpd.clm.documents.template import Template
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.refusal import RequestRefused
from cmpd.clm.store.base import Store
from tests.clm.conftest import NOW, PKI
from tests.clm.issuance.test_issuing import ENTITY, asking, san
from tests.support.issuing import issue

TEXT = (Path(__file__).parents[3] / "docs" / "policies.md").read_text("utf-8")
NAMES: dict[str, Any] = {
    "dns": x509.DNSName,
    "uri": x509.UniformResourceIdentifier,
    "email": x509.RFC822Name,
    "ip": lambda text: x509.IPAddress(ipaddress.ip_address(text)),
}


@dataclass(frozen=True)
class Example:
    """A block of the page, and what it says requests get."""

    line: int
    text: str

    @property
    def toml(self) -> str:
        """The block, with what policies leave out."""

        def completed(match: re.Match[str]) -> str:
            body = match[2]
            for key, value in (("template", "device"), ("ca", "issuing")):
                if not re.search(rf"^{key} =", body, re.M):
                    body = f'{key} = "{value}"\n{body}'
            return match[1] + body

        return re.sub(r"(^\[policy\.[\w-]+\]\n)((?:(?!\[).*\n?)*)", completed, self.text, flags=re.M)

    def requests(self) -> Iterator[tuple[str, str, str]]:
        """(policy, request, outcome)."""
        policy = ""
        for line in self.text.splitlines():
            if match := re.fullmatch(r"\[policy\.([\w-]+)\]", line):
                policy = match[1]
            elif match := re.fullmatch(r"#> (.*) → (.*)", line):
                yield policy, match[1], match[2]


EXAMPLES = [
    Example(TEXT[: match.start()].count("\n") + 1, match[1])
    for match in re.finditer(r"^```toml\n(.*?)^```$", TEXT, re.M | re.S)
]


def outcome(compiled: CompiledPolicy, request: str) -> str:
    subject, *words = re.split(r" (?=\w+=[^ ]*(?: |$))", request)
    given = [word.partition("=")[::2] for word in words]
    names = [NAMES[kind](value) for kind, value in given if kind in NAMES]
    days = [int(value) for kind, value in given if kind == "days"]
    kind = next((value for kind, value in given if kind == "key"), "P-256")
    more = {"not_after": NOW + days[0] * 86400} if days else {}
    asked = asking(subject, *([san(*names)] if names else []), kind=kind, **more)
    try:
        issuance = issue(compiled, ENTITY, asked, now=NOW, random=os.urandom)
    except RequestRefused as refused:
        return f"refused {refused.field}"
    if not issuance.modifications:
        return "granted"
    return f"trimmed {issuance.modifications[0].partition(':')[0]}"


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"line {example.line}" for example in EXAMPLES])
def test_an_example_applies_and_requests_get_what_it_says(pki: PKI, example: Example) -> None:
    for name in ("line-3.secret", "pump-7.password"):
        (pki.folder / name).write_text("a secret of its own", "utf-8")
    pem = pki.authority("root").certificate.public_bytes(Encoding.PEM)
    (pki.folder / "vendor.pem").write_bytes(pem)
    other = pki.authority("issuing").certificate.public_bytes(Encoding.PEM)
    (pki.folder / "other-vendor.pem").write_bytes(other)

    async def work(store: Store) -> None:
        draft = await Draft.of(store, pki.master_key, pki.maker.act)
        declaration = await Declaration.read(draft, pki.folder / "pki.toml", example.toml)
        assert declaration.differences
        await draft.commit()
        policies = await (await pki.client(store)).catalog.policies()
        compiled = {one.policy.name: one for one in policies}
        for name, request, expected in example.requests():
            assert outcome(compiled[name], request) == expected, request

    pki.run(work)


def test_every_key_of_policies_and_templates_has_its_heading() -> None:
    policies, templates = TEXT.split("\n## Policies\n")[1].split("\n## Templates\n")
    headings = re.compile(r"^### (\S+)$", re.M)
    assert sorted(headings.findall(policies)) == sorted(policy_keys())
    keys = {field.name for field in dataclasses.fields(Template) if field.init}
    keys |= {"url", "crl", "crl_partitions"}
    assert sorted(headings.findall(templates)) == sorted(keys)


def test_every_key_of_policies_and_templates_stands_in_an_example() -> None:
    used: set[str] = set()

    def collect(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                collect(item, f"{path}.{key}" if path else key)
        used.add(path)

    for example in EXAMPLES:
        document = tomllib.loads(example.toml)
        for policy in document.get("policy", {}).values():
            collect(policy, "")
        for template in document.get("template", {}).values():
            collect(template, "")
    wanted = {*policy_keys(), *(field.name for field in dataclasses.fields(Template) if field.init)}
    assert wanted - used == set()
