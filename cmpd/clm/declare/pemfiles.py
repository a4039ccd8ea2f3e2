"""Certificates that settings name by their files, in declarations and on the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.pem_certificates import CERTIFICATES, PEM
from cmpd.clm.documents.rules.registration import RegistrationAuthority
from cmpd.clm.settings import DocumentError

CERTIFICATE_KEYS = frozenset(
    one.name
    for table in (Policy, RegistrationAuthority)
    for one in fields(table)
    if one.metadata.get("kind") is CERTIFICATES
)
"""The keys of a policy, and of the tables in it, whose items may be names of PEM files."""


def read_text(folder: Path, name: str, key: str) -> str:
    """What is in the file; `key` names it. Raises DocumentError."""
    try:
        return (folder / name).read_text("utf-8")
    except OSError as error:
        raise DocumentError(key, f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DocumentError(key, f"{name} cannot be read: it is not UTF-8 text") from None


def with_files_read(document: Mapping[str, Any], folder: Path, above: str = "") -> dict[str, Any]:
    """A policy's document with PEM in the place of the files it names, which are relative to the folder, also
    in the tables of its lists. `above`: the key that leads to the document, with a dot at its end.

    Raises DocumentError for a file that cannot be read.
    """
    return {key: _read(key, value, folder, above) for key, value in document.items()}


def _read(key: str, value: Any, folder: Path, above: str) -> Any:
    if not isinstance(value, list):
        return value
    where = f"{above}{key}"
    if key in CERTIFICATE_KEYS:
        return [_pem(item, folder, f"{where}[{index}]") for index, item in enumerate(value)]
    return [
        with_files_read(item, folder, f"{where}[{index}].") if isinstance(item, Mapping) else item
        for index, item in enumerate(value)
    ]


def _pem(item: Any, folder: Path, key: str) -> Any:
    return read_text(folder, item, key) if isinstance(item, str) and PEM not in item else item
