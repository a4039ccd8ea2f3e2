"""Revocation by `openssl cmp`: by the certificate's own key and by its owner's password."""

from __future__ import annotations

import pytest
from cryptography import x509

from cmpd.clm.model import Certificate
from tests.e2e.harness import Device

REASONS = {0: None, 1: 1, 3: 3, 4: 4, 5: 5}


def _record(device: Device, certificate: x509.Certificate) -> Certificate:
    (found,) = [one for one in device.daemon.certificates() if one.serial == certificate.serial_number]
    return found


@pytest.mark.parametrize("reason", REASONS)
def test_a_certificate_revokes_itself(device: Device, reason: int) -> None:
    assert device.enrol().status == 0
    done = device.signed("rr", "-oldcert", "cert.pem", "-revreason", str(reason))
    assert done.status == 0, done.output
    record = _record(device, device.certificate())
    assert record.state == "revoked"
    assert record.reason in (reason, REASONS[reason])


def test_a_password_revokes_its_owners_certificate(device: Device) -> None:
    assert device.enrol().status == 0
    done = device.cmp("rr", "-oldcert", "cert.pem", "-revreason", "4")
    assert done.status == 0, done.output
    assert device.daemon.standing(device.certificate()) == "revoked"


def test_a_hold_is_put_on_and_lifted(device: Device) -> None:
    assert device.enrol().status == 0
    assert device.cmp("rr", "-oldcert", "cert.pem", "-revreason", "6").status == 0
    assert device.daemon.standing(device.certificate()) == "on_hold"
    done = device.cmp("rr", "-oldcert", "cert.pem", "-revreason", "8")
    assert done.status == 0, done.output
    assert device.daemon.standing(device.certificate()) == "active"


def test_what_is_revoked_cannot_be_revoked_again(device: Device) -> None:
    assert device.enrol().status == 0
    assert device.cmp("rr", "-oldcert", "cert.pem").status == 0
    done = device.cmp("rr", "-oldcert", "cert.pem")
    assert done.status != 0
    assert "certRevoked" in done


def test_a_revoked_certificate_updates_nothing(device: Device) -> None:
    assert device.enrol().status == 0
    assert device.signed("rr", "-oldcert", "cert.pem").status == 0
    done = device.update()
    assert done.status != 0
    assert "certRevoked" in done
    assert not (device.folder / "new.pem").exists()


def test_another_entity_revokes_nothing_of_ours(device: Device) -> None:
    assert device.enrol().status == 0
    other = device.daemon.json("entity", "add", "other")
    words = ["-ref", other["id"], "-secret", f"pass:{other['new_password']}", "-oldcert", "cert.pem"]
    done = device.cmp("rr", *words, secret=False)
    assert done.status != 0
    assert "notAuthorized" in done
    assert device.daemon.standing(device.certificate()) == "active"
