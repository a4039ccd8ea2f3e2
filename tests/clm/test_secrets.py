"""Secrets at rest open for their own record, under their own key, and for nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.secrets import MasterKey, SecretError, check_secret, hash_secret, new_password, new_secret

KEY = MasterKey(bytes(range(32)))


@given(plaintext=st.binary(max_size=300), context=st.text(max_size=40))
def test_what_was_sealed_opens_again(plaintext: bytes, context: str) -> None:
    assert KEY.open(KEY.seal(plaintext, context), context) == plaintext


def test_two_seals_of_the_same_differ() -> None:
    assert KEY.seal(b"secret", "entity:1") != KEY.seal(b"secret", "entity:1")


def test_a_secret_moved_to_another_record_does_not_open() -> None:
    with pytest.raises(SecretError, match="moved there from another record"):
        KEY.open(KEY.seal(b"secret", "entity:1"), "entity:2")


@given(position=st.integers(0, 38), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(position: int, bit: int) -> None:
    sealed = bytearray(KEY.seal(b"secret", "entity:1"))
    assert len(sealed) == 39
    sealed[position] ^= 1 << bit
    with pytest.raises(SecretError):
        KEY.open(bytes(sealed), "entity:1")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(60)])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(SecretError, match="entity:1"):
        KEY.open(sealed, "entity:1")


def test_the_wrong_master_key_is_named() -> None:
    other = MasterKey(bytes(32), "other.key")
    with pytest.raises(SecretError, match=f"under master key {KEY.id}, but other.key holds {other.id}"):
        other.open(KEY.seal(b"secret", "entity:1"), "entity:1")


def test_a_master_key_does_not_show_itself() -> None:
    assert bytes(range(32)).hex() not in repr(KEY)


def test_a_created_key_is_private_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sealed = MasterKey.create(path).seal(b"secret", "x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert MasterKey.load(path).open(sealed, "x") == b"secret"


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    MasterKey.create(path)
    before = path.read_bytes()
    with pytest.raises(SecretError, match="exists already"):
        MasterKey.create(path)
    assert path.read_bytes() == before


def test_a_key_cannot_be_created_where_no_directory_is(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="No such file or directory"):
        MasterKey.create(tmp_path / "missing" / "master.key")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o601])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    MasterKey.create(path)
    path.chmod(mode)
    with pytest.raises(SecretError, match=f"{mode:04o}.*chmod 600 {path}"):
        MasterKey.load(path)


def test_a_key_of_another_user_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    MasterKey.create(path)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(SecretError, match=r"runs as user 54321.*chown 54321"):
        MasterKey.load(path)


def test_a_missing_key_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=f"no master key at {tmp_path}/master.key"):
        MasterKey.load(tmp_path / "master.key")


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"not a regular file|Is a directory"):
        MasterKey.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "hello\n", "cmpd-master-key-1:AAAA\n", "cmpd-master-key-1:%%%\n", "A" * 44, "\xff" * 9000]
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(SecretError, match="is not a master key of cmpd"):
        MasterKey.load(path)


def test_a_systemd_credential_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    key = MasterKey.create(credentials / "master.key")
    (credentials / "master.key").chmod(0o440)  # as systemd leaves them, behind an ACL
    other = MasterKey.create(tmp_path / "master.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert MasterKey.load(tmp_path / "master.key").id == key.id
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "elsewhere"))
    assert MasterKey.load(tmp_path / "master.key").id == other.id


def test_a_hash_checks_its_own_secret_only() -> None:
    hashed = hash_secret("correct horse")
    assert "correct horse" not in hashed
    assert check_secret("correct horse", hashed)
    assert not check_secret("correct horsf", hashed)
    assert hash_secret("correct horse") != hashed


@pytest.mark.parametrize(
    "hashed",
    ["", "scrypt", "bcrypt$1$2$3$AA==$AA==", "scrypt$3$8$1$AA==$AA==", "scrypt$x$8$1$AA==$AA==",
     "scrypt$16384$8$1$%$AA==", "scrypt$1073741824$8$1$AA==$AA=="],
)  # fmt: skip
def test_a_damaged_hash_is_named_so(hashed: str) -> None:
    with pytest.raises(SecretError, match="damaged"):
        check_secret("secret", hashed)


def test_new_passwords_are_long_distinct_and_harmless_to_a_shell() -> None:
    passwords = {new_password() for _ in range(200)}
    assert len(passwords) == 200
    assert all(len(password) == 22 and password.isalnum() for password in passwords)
    assert len({new_secret() for _ in range(200)}) == 200
