"""Policies by URL: the default one, another by two paths, the well-known ones, and what is no policy."""

from __future__ import annotations

import http.client

import pytest

from tests.e2e.harness import DEMO_POLICY, Device

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "path",
    [
        "cmp",
        f"cmp/{DEMO_POLICY}",
        f"{DEMO_POLICY}/cmp",
        ".well-known/cmp",
        ".well-known/cmp/initialization",
    ],
)
def test_each_form_of_the_url_enrols(device: Device, path: str) -> None:
    done = device.enrol("ir", path=path)
    assert done.status == 0, done.output
    assert device.verify().status == 0


def test_a_policy_is_reached_by_its_name(device: Device) -> None:
    done = device.enrol("ir", path=".well-known/cmp/p/default")
    assert done.status == 0, done.output


def test_a_policy_made_while_the_daemon_serves_is_served(device: Device) -> None:
    id = device.daemon.put_policy("made-later", validity={"longest": "7d"})
    entity = device.daemon.json("entity", "add", "late", "--policy", "made-later")
    secret = ["-ref", entity["id"], "-secret", f"pass:{entity['new_password']}"]
    device.key()
    for path in (f"cmp/{id}", f"{id}/cmp", ".well-known/cmp/p/made-later"):
        done = device.request("ir", *secret, path=path)
        assert done.status == 0, done.output
        certificate = device.certificate()
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 7


def test_a_policy_the_entity_may_not_use_is_as_good_as_none(device: Device) -> None:
    id = device.daemon.put_policy("for-others")
    done = device.enrol("ir", path=f"cmp/{id}")
    assert done.status != 0
    assert 'StatusString: "invalid identifier' in done


@pytest.mark.parametrize(
    "path",
    [f"cmp/{UNKNOWN}", f"{UNKNOWN}/cmp", "cmp/nonsense", "nonsense/cmp", ".well-known/cmp/p/nonsense"],
)
def test_an_unknown_or_malformed_identifier_is_a_cmp_error(device: Device, path: str) -> None:
    done = device.enrol("ir", "-trusted", str(device.daemon.folder / "ca.pem"), path=path)
    assert done.status != 0
    assert "received ERROR" in done
    assert "badRequest" in done
    assert 'StatusString: "invalid identifier' in done


@pytest.mark.parametrize("path", ["/", "/nonsense", "/cmp/a/b", "/.well-known/est"])
def test_what_is_no_cmp_path_is_404(device: Device, path: str) -> None:
    connection = http.client.HTTPConnection(device.daemon.address, timeout=5)
    connection.request("POST", path, b"", {"Content-Type": "application/pkixcmp"})
    assert connection.getresponse().status == 404
    connection.close()
