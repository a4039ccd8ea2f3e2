"""Secrets at rest: sealed under a master key that lives outside the store, hashed where that is enough.

Sealing is for what cmpd must read again: private keys of CAs and signers, and the passwords of end
entities, which MAC protection needs in the clear (RFC 9810, section 5.1.3.1). Secrets of API clients
are only ever compared, so they are hashed (scrypt, RFC 7914).

A sealed secret is: version (1 octet), key id (4 octets), nonce (12 octets), AES-256-GCM ciphertext and
tag. Version, key id and context are authenticated too: what was sealed for one record opens for no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FILE_PREFIX = "cmpd-master-key-1:"
_FILE_LIMIT = 4096
_KEY_OCTETS = 32
_VERSION = b"\x01"
_KEY_ID_OCTETS = 4
_NONCE_OCTETS = 12
_HEAD_OCTETS = 1 + _KEY_ID_OCTETS + _NONCE_OCTETS

_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_SCRYPT_MEMORY = 64 * 1024 * 1024

# Without I, O, l, 0 and 1, which people confuse, and without anything a shell would take amiss.
_PASSWORD_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"  # noqa: S105 - no password
_PASSWORD_LENGTH = 22  # log2(57 ** 22) = 128 bits


class SecretError(Exception):
    """A secret cannot be read; the text is one line and names what to do."""


class MasterKey:
    """The AES-256 key that seals secrets."""

    def __init__(self, key: bytes, origin: str = "the given key") -> None:
        if len(key) != _KEY_OCTETS:
            raise SecretError(f"{origin}: a master key is {_KEY_OCTETS} octets, not {len(key)}")
        self._cipher = AESGCM(key)
        self._id = hashlib.sha256(b"cmpd master key id\0" + key).digest()[:_KEY_ID_OCTETS]
        self._origin = origin

    def __repr__(self) -> str:
        return f"MasterKey(id={self.id})"

    @property
    def id(self) -> str:
        """Tells keys apart, without giving them away: 8 hexadecimal digits."""
        return self._id.hex()

    @classmethod
    def create(cls, path: str | Path) -> MasterKey:
        """Make a new key and write it to `path`, mode 0600, durably. Never overwrites.

        Raises SecretError where the file exists or cannot be written.
        """
        path = Path(path)
        key = secrets.token_bytes(_KEY_OCTETS)
        text = f"{_FILE_PREFIX}{base64.b64encode(key).decode('ascii')}\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, no path
                os.fchmod(descriptor, 0o600)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            _sync_directory(path.parent)
        except FileExistsError:
            raise SecretError(
                f"{path} exists already; it may be the only key to a store, so it stays as it is"
            ) from None
        except OSError as error:
            raise SecretError(f"cannot write the master key {path}: {error.strerror}") from None
        return cls(key, str(path))

    @classmethod
    def load(cls, path: str | Path) -> MasterKey:
        """Read the key from the systemd credential of the file's name, where there is one, or the file.

        The credential is $CREDENTIALS_DIRECTORY/<name of the file>; systemd guards it itself, by
        an access list that shows as its group's rights. A file must belong to the user cmpd runs as, or to
        root, and be closed to everybody else (0600 or 0400). Raises SecretError.
        """
        source, text = _read_private(
            Path(path),
            "master key",
            "restore it from where it is kept, or name another file with master_key in the configuration; "
            "`cmpd init` makes one together with a new store",
        )
        return cls(_parse(source, text), str(source))

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt for keeping. `context` names whose secret it is (``entity:<id>``, ``ca:<id>:key``)."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        head = _VERSION + self._id
        return head + nonce + self._cipher.encrypt(nonce, plaintext, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` gave for the same context. Raises SecretError."""
        if len(sealed) < _HEAD_OCTETS or sealed[:1] != _VERSION:
            raise SecretError(f"the secret of {context} is not one that this version of cmpd sealed")
        head, nonce = sealed[: 1 + _KEY_ID_OCTETS], sealed[1 + _KEY_ID_OCTETS : _HEAD_OCTETS]
        if head[1:] != self._id:
            raise SecretError(
                f"wrong master key: the secret of {context} was sealed under master key {head[1:].hex()}, "
                f"but {self._origin} holds {self.id}; give cmpd the key that belongs to this store"
            )
        try:
            return self._cipher.decrypt(nonce, sealed[_HEAD_OCTETS:], head + context.encode())
        except InvalidTag:
            raise SecretError(
                f"the secret of {context} is damaged, or was moved there from another record"
            ) from None


def read_secret(path: str | Path) -> str:
    """The API client's secret: the first line of the systemd credential of the file's name, where there
    is one, or of the file, guarded as the master key's is. Raises SecretError."""
    source, text = _read_private(
        Path(path),
        "API client's secret",
        "`cmpd client rotate` makes a new one, client.secret_file in the configuration says where it lies",
    )
    try:
        return text.decode("utf-8").partition("\n")[0].strip()
    except UnicodeDecodeError:
        raise SecretError(f"the API client's secret {source} is not UTF-8 text") from None


def _read_private(path: Path, what: str, remedy: str) -> tuple[Path, bytes]:
    """(where it was read from, the octets) of the credential or the file. Raises SecretError."""
    credential = _credential(path.name)
    source = credential or path
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, no path
            if credential is None:
                require_private(source, os.fstat(descriptor), what)
            elif os.fstat(descriptor).st_mode & 0o007:
                raise SecretError(
                    f"the {what} {source} is open to other users, which no credential of systemd is: "
                    f"make it private with `chmod 400 {source}`"
                )
            return source, file.read(_FILE_LIMIT)
    except FileNotFoundError:
        raise SecretError(f"no {what} at {source}: {remedy}") from None
    except OSError as error:
        raise SecretError(f"cannot read the {what} {source}: {error.strerror}") from None


def _credential(name: str) -> Path | None:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    path = Path(directory, name)
    return path if path.is_file() else None


def require_private(path: Path, status: os.stat_result, what: str) -> None:
    """Raises SecretError where others than the user that cmpd runs as, and root, can get at the file."""
    if not stat.S_ISREG(status.st_mode):
        raise SecretError(f"the {what} {path} is not a regular file")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise SecretError(
            f"the {what} {path} has mode {mode:04o}, open to other users: make it private with "
            f"`chmod 600 {path}`"
        )
    user = os.geteuid()
    if user != 0 and status.st_uid not in (user, 0):
        raise SecretError(
            f"the {what} {path} belongs to user {status.st_uid}, but cmpd runs as user {user}: "
            f"give it to cmpd with `chown {user} {path}`"
        )


def _parse(path: Path, text: bytes) -> bytes:
    line = text.strip()
    prefix = _FILE_PREFIX.encode()
    try:
        key = base64.b64decode(line.removeprefix(prefix), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(prefix) or len(key) != _KEY_OCTETS:
        raise SecretError(
            f"{path} is not a master key of cmpd: expected one line of {_FILE_PREFIX} and "
            f"{_KEY_OCTETS} octets in base64"
        )
    return key


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_secret(secret: str) -> str:
    """Hash a secret that is only ever compared: ``scrypt$n$r$p$salt$hash``, the last two in base64."""
    salt = secrets.token_bytes(16)
    derived = _scrypt(secret, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    fields = (base64.b64encode(part).decode("ascii") for part in (salt, derived))
    return "$".join(("scrypt", str(_SCRYPT_N), str(_SCRYPT_R), str(_SCRYPT_P), *fields))


def check_secret(secret: str, hashed: str) -> bool:
    """Whether `hashed` is `secret`'s, in constant time. Raises SecretError where it is no such hash."""
    try:
        kind, n, r, p, salt, expected = hashed.split("$")
        if kind != "scrypt":
            raise ValueError(kind)
        derived = _scrypt(secret, base64.b64decode(salt, validate=True), int(n), int(r), int(p))
        return hmac.compare_digest(derived, base64.b64decode(expected, validate=True))
    except ValueError:  # binascii.Error, OpenSSL's refusal of the parameters, too few fields
        raise SecretError(
            "the stored hash of the secret is damaged: expected scrypt$n$r$p$salt$hash; "
            "set the client's secret anew"
        ) from None


def _scrypt(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=n, r=r, p=p, maxmem=_SCRYPT_MEMORY, dklen=32)


def new_password() -> str:
    """A password for an end entity: 128 bits in letters and digits that are hard to confuse."""
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def new_secret() -> str:
    """A secret for an API client: 256 bits, URL-safe text."""
    return secrets.token_urlsafe(32)
