"""Certificates that settings name by their files, in declarations and on the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from cmpd.clm.policy import CERTIFICATES, PEM, Policy
from cmpd.clm.settings import DocumentError

CERTIFICATE_KEYS = tuple(one.name for one in fields(Policy) if one.metadata.get("kind") is CERTIFICATES)
"""The keys of a policy whose items may be names of PEM files."""


def read_text(folder: Path, name: str, key: str) -> str:
    """What is in the file; `key` names it. Raises DocumentError."""
    try:
        return (folder / name).read_text("utf-8")
    except OSError as error:
        raise DocumentError(key, f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DocumentError(key, f"{name} cannot be read: it is not UTF-8 text") from None


def with_files_read(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A policy's document with PEM in the place of the files it names, which are relative to the folder.

    Raises DocumentError for a file that cannot be read.
    """
    return {
        key: [_pem(item, folder, f"{key}[{index}]") for index, item in enumerate(value)]
        if key in CERTIFICATE_KEYS and isinstance(value, list)
        else value
        for key, value in document.items()
    }


def _pem(item: Any, folder: Path, key: str) -> Any:
    return read_text(folder, item, key) if isinstance(item, str) and PEM not in item else item
