"""cmpd.conf: every key, its type, its default, its bounds, and what it is for.

A section is a dataclass, a key a field made by `key`; reading, checking, the environment's overrides and
the reference in docs/ all go by these. Paths in the file are relative to the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmpd.config.keys import ConfigError, Rule, key, live
from cmpd.config.overrides import key_names, merge, overrides
from cmpd.config.reader import Reader, split_address
from cmpd.config.sections import AdminConfig, ClientConfig, CMPConfig, HTTPConfig, ListenConfig, LogConfig

__all__ = [
    "AdminConfig",
    "CMPConfig",
    "ClientConfig",
    "Config",
    "ConfigError",
    "HTTPConfig",
    "ListenConfig",
    "LogConfig",
    "Rule",
    "key_names",
    "split_address",
]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of cmpd.conf."""

    path: Path = field(default=Path("cmpd.conf"))
    """Where it was read from."""
    store: str = key("cmpd.db", "The store: a file for SQLite, or a postgresql:// URL.")
    synchronous: str = key(
        "full",
        "full: every commit is on the disk before its response leaves. normal: a power failure may undo the "
        "last moments, a crash of cmpd may not.",
        choices=("full", "normal"),
    )
    master_key: Path = key(
        Path("master.key"),
        "File with the key that seals secrets in the store, mode 0600. With systemd: the credential "
        "master.key.",
    )
    workers: int = key(1, "Processes that share the listeners.", low=1, high=256)
    node: str = key(
        "", "This machine's name among those that share a PostgreSQL store; empty: the host's name."
    )
    archive_after: int = live(
        0,
        "Certificates that ended longer ago leave the working set for the store's archive; 0: never.",
        unit="days",
        low=0,
        high=36500,
    )
    client: ClientConfig = key(ClientConfig, "")
    listen: tuple[ListenConfig, ...] = key((ListenConfig(),), "")
    http: HTTPConfig = key(HTTPConfig, "")
    cmp: CMPConfig = key(CMPConfig, "")
    log: LogConfig = key(LogConfig, "")
    admin: AdminConfig = key(AdminConfig, "")

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str] | None = None) -> Config:
        """Read `path`, then the CMPD_* variables of the environment. Raises ConfigError."""
        try:
            text = path.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such file; `cmpd -c {path} init` makes one") from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: is not TOML: {error}") from None
        reader = Reader(path, text)
        given = overrides(os.environ if environment is None else environment, cls)
        config: Config = reader.section(cls, merge(document, given, reader), "")
        store = config.store if "://" in config.store else str(path.parent / config.store)
        config = replace(config, path=path, store=store)
        _check_listeners(reader, config)
        return config


def _check_listeners(reader: Reader, config: Config) -> None:
    if not config.listen:
        raise reader.error("listen", "one [[listen]] table at least is expected")
    for listener in config.listen:
        split_address(listener.address, reader)
    if config.admin.listen:
        split_address(config.admin.listen, reader)
    taken: set[str] = set()
    for address in (*(one.address for one in config.listen), config.admin.listen):
        if address in taken and not address.endswith(":0"):
            raise reader.error("address", f"{address} is there twice; each listener requires one of its own")
        taken.add(address)
    if config.cmp.pbm_iterations_min > config.cmp.pbm_iterations_max:
        raise reader.error("cmp.pbm_iterations_min", "it is larger than cmp.pbm_iterations_max")
