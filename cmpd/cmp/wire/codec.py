"""asn1tools' codecs for BER and DER, without the front of its package.

`import asn1tools` brings in its seven other codecs and its command line as well: 18 MB of every daemon's
memory and 0.06 s of its start, for nothing. So its folder is entered by a package of no contents. Whoever
imports asn1tools itself later gets all of it, and the same codecs.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

PACKAGE = "asn1tools"


def _load() -> None:
    """See that `asn1tools.codecs.der` and what it needs are loaded."""
    spec = find_spec(PACKAGE)
    if PACKAGE in sys.modules or spec is None or spec.submodule_search_locations is None:
        importlib.import_module(f"{PACKAGE}.codecs.der")
        return
    front = ModuleType(PACKAGE)
    front.__path__ = spec.submodule_search_locations
    sys.modules[PACKAGE] = front
    try:
        importlib.import_module(f"{PACKAGE}.codecs.der")
    finally:
        del sys.modules[PACKAGE]


if not TYPE_CHECKING:
    _load()
    ber = sys.modules[f"{PACKAGE}.codecs.ber"]
    der = sys.modules[f"{PACKAGE}.codecs.der"]
    clean_bit_string_value = sys.modules[f"{PACKAGE}.codecs.compiler"].clean_bit_string_value
else:
    from asn1tools.codecs import ber, der
    from asn1tools.codecs.compiler import clean_bit_string_value

__all__ = ["ber", "clean_bit_string_value", "der"]
