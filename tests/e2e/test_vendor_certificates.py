"""Devices that bring a certificate of their manufacturer's (3GPP, IEEE 802.1AR): who may enrol."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.clm.pki import NOW, Holder, Plan, key, name
from tests.e2e.harness import Daemon, Device, Run, cmp_trace

TODAY = int((time.time() - NOW) // 86_400)
VALID = (TODAY - 10, TODAY + 10)
EXPIRED = (TODAY - 10, TODAY - 5)
YET_TO_COME = (TODAY + 5, TODAY + 10)

ROOT = Plan(name("Vendor Root"), key("P-256", 900), ca=True, days=VALID).issue(None)
WORKS = Plan(name("Vendor Works"), key("P-256", 901), ca=True, days=VALID)


def _usage(*, digital_signature: bool) -> tuple[x509.KeyUsage, bool]:
    others = ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    usage = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    usage |= {"digital_signature": digital_signature, "key_encipherment": not digital_signature}
    return x509.KeyUsage(**usage), True


def _device_plan(serial: str) -> Plan:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Base station"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
        ]
    )
    extensions = (_usage(digital_signature=True),)
    return Plan(subject, key("P-256", 902), days=VALID, extensions=extensions)


@pytest.fixture(scope="module")
def policies(daemon: Daemon) -> dict[str, str]:
    """Policies that trust the vendor: one for registered devices, one for any."""
    anchors = [ROOT.certificate.public_bytes(Encoding.PEM).decode()]
    return {
        "registered": daemon.put_policy("registered", trust_anchors=anchors),
        "any": daemon.put_policy("any", trust_anchors=anchors, auto_register=True),
    }


def _pem(holder: Holder) -> bytes:
    return holder.certificate.public_bytes(Encoding.PEM)


def _enrol(device: Device, policy: str, holder: Holder, *chain: Holder, command: str = "ir") -> Run:
    """What the device does with its vendor certificate, and the chain it was given."""
    private = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (device.folder / "vendor-key.pem").write_bytes(private)
    (device.folder / "vendor.pem").write_bytes(_pem(holder))
    (device.folder / "chain.pem").write_bytes(b"".join(map(_pem, (holder, *chain))))
    device.key()
    words = ["-cert", "vendor.pem", "-key", "vendor-key.pem", "-extracerts", "chain.pem"]
    trust: list[str | Path] = ["-trusted", device.daemon.folder / "ca.pem"]
    return device.request(command, *words, *trust, path=f"cmp/{policy}")


def test_a_device_registers_itself_where_the_policy_lets_it(device: Device, policies: dict[str, str]) -> None:
    works = WORKS.issue(ROOT)
    vendor = _device_plan("AUTO-1").issue(works)
    done = _enrol(device, policies["any"], vendor, works)
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["IR", "IP", "CERTCONF", "PKICONF"]
    assert device.verify().status == 0
    done = _enrol(device, policies["any"], vendor, works)
    assert done.status == 0, done.output
    records = [one for one in device.daemon.certificates() if one.policy == policies["any"]]
    assert len({one.entity for one in records}) == 1


@pytest.mark.parametrize("kind", ["serialNumber", "fingerprint", "subject"])
def test_a_registered_device_is_known_by_its_certificate(
    device: Device, policies: dict[str, str], kind: str
) -> None:
    works = WORKS.issue(ROOT)
    vendor = _device_plan(f"REG-{kind}").issue(works)
    identity = {
        "serialNumber": f"REG-{kind}",
        "fingerprint": vendor.certificate.fingerprint(hashes.SHA256()).hex(),
        "subject": vendor.certificate.subject.rfc4514_string(),
    }[kind]
    words = ["--no-password", "--policy", "registered", "--identity", f"{kind}={identity}"]
    entity = device.daemon.json("entity", "add", f"station-{kind}", *words)
    done = _enrol(device, policies["registered"], vendor, works)
    assert done.status == 0, done.output
    (record,) = [one for one in device.daemon.certificates() if one.entity == entity["id"]]
    assert record.serial == device.certificate().serial_number


def test_an_unregistered_device_is_told_the_same_at_a_policy_that_is_there_and_at_one_that_is_not(
    device: Device, policies: dict[str, str]
) -> None:
    works = WORKS.issue(ROOT)
    holder = _device_plan("NOBODY").issue(works)
    for policy in (policies["registered"], "99999999-1111-4111-8111-111111111111"):
        done = _enrol(device, policy, holder, works)
        assert done.status != 0
        assert 'signerNotTrusted; StatusString: "the protection certificate is not trusted"' in done


def test_a_vendor_certificate_is_worth_nothing_under_another_policy(device: Device) -> None:
    works = WORKS.issue(ROOT)
    other = device.daemon.put_policy("trusts-nobody")
    done = _enrol(device, other, _device_plan("AUTO-2").issue(works), works)
    assert done.status != 0
    assert "signerNotTrusted" in done


DEVICE = _device_plan("BAD-1")
STRANGE = Plan(name("Strange Root"), key("P-256", 903), ca=True, days=VALID).issue(None)
BAD_CHAINS: dict[str, tuple[Plan, Plan, Holder]] = {
    "expired": (replace(DEVICE, days=EXPIRED), WORKS, ROOT),
    "not yet valid": (replace(DEVICE, days=YET_TO_COME), WORKS, ROOT),
    "an intermediate expired": (DEVICE, replace(WORKS, days=EXPIRED), ROOT),
    "an intermediate is not a CA": (DEVICE, replace(WORKS, ca=False), ROOT),
    "an intermediate may not sign certificates": (DEVICE, replace(WORKS, key_cert_sign=False), ROOT),
    "of another root": (DEVICE, WORKS, STRANGE),
    "without digitalSignature": (
        replace(DEVICE, extensions=(_usage(digital_signature=False),)),
        WORKS,
        ROOT,
    ),
}


@pytest.mark.parametrize("case", BAD_CHAINS)
def test_a_chain_that_does_not_hold_is_not_trusted(
    device: Device, policies: dict[str, str], case: str
) -> None:
    end, middle, root = BAD_CHAINS[case]
    works = middle.issue(root)
    before = len(device.daemon.certificates())
    done = _enrol(device, policies["any"], end.issue(works), works)
    assert done.status != 0
    assert "signerNotTrusted" in done
    assert len(device.daemon.certificates()) == before


def test_a_chain_with_a_link_missing_is_not_trusted(device: Device, policies: dict[str, str]) -> None:
    vendor = _device_plan("BAD-2").issue(WORKS.issue(ROOT))
    done = _enrol(device, policies["any"], vendor)
    assert done.status != 0
    assert "signerNotTrusted" in done
