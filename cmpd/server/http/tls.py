"""TLS on a listener: its settings, and its files read again when they change."""

from __future__ import annotations

import logging
import os
import ssl
import stat
from pathlib import Path
from typing import TypeAlias

from cmpd.config import ConfigError, ListenConfig

log = logging.getLogger(__name__)

MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

State: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""(inode, time of change, size) of each file; None where it cannot be looked at."""


class ListenerTLS:
    """The TLS side of one listener that has a certificate."""

    def __init__(self, config: ListenConfig, certificate: Path, key: Path) -> None:
        """Raises ConfigError for files that are missing, open to others, or do not fit each other."""
        self._config = config
        self._certificate = certificate
        self._key = key
        self._seen = self._state()
        self.context = self._made()
        """For connections from now on. A new one takes its place when files have changed: from a context
        in use no client CA can be removed."""

    def refresh(self) -> bool:
        """Read the files again where they have changed; connections from now on use them. Gives whether
        they were taken; what cannot be used is logged, once, and everything stays as it was."""
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            self.context = self._made()
        except ConfigError as error:
            log.error("the TLS certificate and the client CAs stay as they were: %s", error)
            return False
        log.info("the TLS certificate %s was read again", self._certificate)
        return True

    def _state(self) -> State:
        files = (self._certificate, self._key, self._config.tls_client_ca)
        return tuple(_seen(path) for path in files if path is not None)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = MINIMUM[self._config.tls_minimum]
        self._load_certificate(context)
        authorities = self._config.tls_client_ca
        if authorities is not None:
            try:
                context.load_verify_locations(authorities)
            except (OSError, ssl.SSLError) as error:
                what = _reason(error, "no certificates in PEM")
                raise ConfigError(f"listen.tls_client_ca: {authorities}: {what}") from None
            context.verify_mode = ssl.CERT_OPTIONAL
        if self._config.tls_client_required:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        _mode("listen.tls_certificate", self._certificate)
        mode = _mode("listen.tls_key", self._key)
        if mode & 0o077:
            raise ConfigError(
                f"listen.tls_key: {self._key} can be read by others (mode {mode:04o}); chmod 600 {self._key}"
            )
        try:
            # A password is never asked for: a daemon has nobody to ask.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ssl.SSLError) as error:
            what = _reason(error, "no certificate and key in PEM that belong together, the key not encrypted")
            raise ConfigError(
                f"listen.tls_certificate, listen.tls_key: {self._certificate}, {self._key}: {what}"
            ) from None


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _mode(name: str, path: Path) -> int:
    """Of the file that a key names. Raises ConfigError: OpenSSL would not say which file it cannot read."""
    try:
        with path.open("rb") as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise ConfigError(f"{name}: {path}: {error.strerror}") from None


def _reason(error: OSError, otherwise: str) -> str:
    """The system's words for a file that cannot be read; `otherwise` for one that OpenSSL cannot use."""
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return otherwise
    return os.strerror(error.errno)


def tls_of(config: ListenConfig) -> ListenerTLS | None:
    """The TLS side of a listener; None where it speaks plain HTTP. Raises ConfigError."""
    if config.tls_certificate is None or config.tls_key is None:
        return None
    return ListenerTLS(config, config.tls_certificate, config.tls_key)
