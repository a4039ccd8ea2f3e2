"""TLS on a listener: its settings, and its certificate read again when its files change."""

from __future__ import annotations

import logging
import os
import ssl
import stat
from pathlib import Path

from cmpd.config import ConfigError, ListenConfig

log = logging.getLogger(__name__)

MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ListenerTLS:
    """The TLS side of one listener that has a certificate."""

    def __init__(self, config: ListenConfig, certificate: Path, key: Path) -> None:
        """Raises ConfigError for files that are missing, open to others, or do not fit each other."""
        self._certificate = certificate
        self._key = key
        self._seen = self._state()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = MINIMUM[config.tls_minimum]
        self._load(self.context)
        if config.tls_client_ca is not None:
            try:
                self.context.load_verify_locations(config.tls_client_ca)
            except (OSError, ssl.SSLError) as error:
                what = _reason(error, "no certificates in PEM")
                raise ConfigError(f"listen.tls_client_ca: {config.tls_client_ca}: {what}") from None
            self.context.verify_mode = ssl.CERT_REQUIRED if config.tls_client_required else ssl.CERT_OPTIONAL

    def refresh(self) -> bool:
        """Read the files again where they have changed; connections from now on use them. Gives whether
        they were taken; what cannot be used is logged, and the certificate stays as it was."""
        try:
            state = self._state()
            if state == self._seen:
                return False
            # Tried first where nobody uses it: a certificate without its key would end all handshakes.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except ConfigError as error:
            log.error("the TLS certificate stays as it was: %s", error)
            return False
        self._seen = state
        log.info("the TLS certificate %s was read again", self._certificate)
        return True

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            raise ConfigError(f"listen: {error.filename}: {error.strerror}") from None
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)

    def _load(self, context: ssl.SSLContext) -> None:
        mode = stat.S_IMODE(self._key.stat().st_mode)
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
