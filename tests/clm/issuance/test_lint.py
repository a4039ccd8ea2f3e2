"""What cmpd issues passes an independent linter, pkilint: certificates of each template, CAs, CRLs.

pkilint finds nothing at NOTICE or above. Below that it notes the method by which the
subjectKeyIdentifier was made (RFC 5280, section 4.2.1.2, method 1), which is no finding.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import ready_made
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from tests.clm.conftest import NOW, PKI
from tests.clm.issuance.test_issuing import DNS, POLICY, asking, san
from tests.support.issuing import build_crl, issue

pkilint = pytest.importorskip("pkilint", reason="needs pkilint, which judges certificates")


def lint(tool: str, file: Path, *options: str) -> str:
    """What the linter finds at NOTICE or above."""
    done = subprocess.run(
        [sys.executable, "-m", f"pkilint.bin.{tool}", "lint", "-s", "NOTICE", *options, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ready_made())
@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519"])
def test_a_certificate_of_each_ready_made_template_passes_the_lint(
    pki: PKI, tmp_path: Path, name: str, kind: str
) -> None:
    template = ready_made()[name]
    authority = pki.authority("root" if template.is_ca else "issuing")
    policy = Policy.of(POLICY, "own", {"ca": authority.name, "template": name, "excess": "refuse"})
    names = (san(DNS),) if "subjectAltName" in template.take else ()
    subject = "CN=a.example,serialNumber=1234,O=Example,C=DE"
    issuance = issue(
        CompiledPolicy.of(policy, template, authority),
        None,
        asking(subject, *names, kind=kind),
        now=NOW,
        random=os.urandom,
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(x509.load_der_x509_certificate(issuance.der).public_bytes(Encoding.PEM))
    assert lint("lint_pkix_cert", file) == ""


@pytest.mark.parametrize("which", ["root", "issuing", "signer"])
def test_cas_and_cmp_signers_pass_the_lint(pki: PKI, tmp_path: Path, which: str) -> None:
    authority = pki.authority("issuing" if which == "signer" else which)
    certificate = authority.signer.certificate if which == "signer" else authority.certificate
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    assert lint("lint_pkix_cert", file) == ""


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_crl_passes_the_lint(pki: PKI, tmp_path: Path, partitions: int) -> None:
    authority = replace(pki.authority(), crl_partitions=partitions)
    crl = build_crl(authority, partitions - 1, 7, [(1, NOW, 1), (2, NOW, None), (3, NOW, 6)], NOW)
    file = tmp_path / "crl.pem"
    file.write_bytes(x509.load_der_x509_crl(crl.der).public_bytes(Encoding.PEM))
    assert lint("lint_crl", file, "-t", "CRL", "-p", "PKIX") == ""
