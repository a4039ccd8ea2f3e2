"""A vendor takes back a device: its CRL, made by `openssl ca`, is handed in, and the device gets nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.clm.pki import NOW, Holder, Plan, key, name
from tests.e2e.harness import Daemon, Device, Run, run

TODAY = int((time.time() - NOW) / 86_400)
VALID = (TODAY - 10, TODAY + 10)
ROOT = Plan(name("Careful Root"), key("P-256", 910), ca=True, days=VALID).issue(None)
WORKS = Plan(name("Careful Works"), key("P-256", 911), ca=True, days=VALID).issue(ROOT)
SETTINGS = """\
[ca]
default_ca = vendor
[vendor]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""


class Vendor:
    """A CA of a vendor's, kept by `openssl ca` in a folder."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "ca.cnf").write_text(SETTINGS, "ascii")
        (folder / "index.txt").touch()
        (folder / "crlnumber").write_text("01\n", "ascii")
        (folder / "ca.pem").write_bytes(pem(holder))
        (folder / "key.pem").write_bytes(private(holder))

    def openssl(self, *words: str) -> None:
        signer = ("-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "key.pem", "-batch")
        done = run(["openssl", "ca", *signer, *words], self.folder)
        assert done.status == 0, done.output

    def revoke(self, holder: Holder, reason: str) -> None:
        (self.folder / "revoked.pem").write_bytes(pem(holder))
        self.openssl("-revoke", "revoked.pem", "-crl_reason", reason)

    def crl(self) -> Path:
        """The next one."""
        self.openssl("-gencrl", "-out", "crl.pem")
        return self.folder / "crl.pem"


def pem(holder: Holder) -> bytes:
    return holder.certificate.public_bytes(Encoding.PEM)


def private(holder: Holder) -> bytes:
    return bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def station(number: int) -> Holder:
    """A device as it leaves the factory."""
    usage = x509.KeyUsage(True, *(False,) * 8)
    subject = name(f"Careful station {number}")
    return Plan(subject, key("P-256", 912 + number), days=VALID, extensions=((usage, True),)).issue(WORKS)


def enrol(device: Device, policy: str, holder: Holder) -> Run:
    """What the device does with its vendor certificate."""
    (device.folder / "vendor-key.pem").write_bytes(private(holder))
    (device.folder / "vendor.pem").write_bytes(pem(holder))
    (device.folder / "chain.pem").write_bytes(pem(holder) + pem(WORKS))
    device.key()
    words = ["-cert", "vendor.pem", "-key", "vendor-key.pem", "-extracerts", "chain.pem"]
    return device.request("ir", *words, "-trusted", device.daemon.folder / "ca.pem", path=f"cmp/{policy}")


def put_policy(daemon: Daemon, called: str, **document: str) -> str:
    anchors = [pem(ROOT).decode()]
    return daemon.put_policy(called, trust_anchors=anchors, auto_register=True, **document)


@pytest.fixture
def works(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path / "works", WORKS)


def hand_in(daemon: Daemon, vendor: Vendor) -> Run:
    return daemon.cmpd("crl", "import", "--issuer", vendor.folder / "ca.pem", vendor.crl())


def test_a_device_its_vendor_revoked_gets_nothing_and_others_go_on(device: Device, works: Vendor) -> None:
    daemon = device.daemon
    policy = put_policy(daemon, "careful")
    good, stolen = station(1), station(2)
    assert enrol(device, policy, stolen).status == 0
    assert hand_in(daemon, works).status == 0
    assert enrol(device, policy, stolen).status == 0

    works.revoke(stolen, "keyCompromise")
    done = hand_in(daemon, works)
    assert done.status == 0, done.output
    refused = enrol(device, policy, stolen)
    assert refused.status != 0
    assert "certRevoked" in refused
    assert enrol(device, policy, good).status == 0
    ((imported, number),) = [
        (one["id"], one["number"]) for one in daemon.json("crl", "list") if "Careful" in one.get("issuer", "")
    ]
    assert number == 2
    assert daemon.cmpd("crl", "remove", imported).status == 0


def test_where_a_crl_is_required_each_ca_below_the_anchor_has_to_hand_one_in(
    device: Device, works: Vendor, tmp_path: Path
) -> None:
    daemon = device.daemon
    policy = put_policy(daemon, "demanding", revocation="required")
    root, good = Vendor(tmp_path / "root", ROOT), station(3)
    assert "signerNotTrusted" in enrol(device, policy, good)
    assert hand_in(daemon, works).status == 0
    assert "signerNotTrusted" in enrol(device, policy, good)
    assert daemon.cmpd("crl", "import", root.crl()).status == 0
    done = enrol(device, policy, good)
    assert done.status == 0, done.output
    root.revoke(WORKS, "CACompromise")
    assert daemon.cmpd("crl", "import", root.crl()).status == 0
    # Of what stands between, a policy that was named tells nothing before it may be used.
    assert "signerNotTrusted" in enrol(device, policy, good)
    for one in daemon.json("crl", "list"):
        if "Careful" in one.get("issuer", ""):
            assert daemon.cmpd("crl", "remove", one["id"]).status == 0
