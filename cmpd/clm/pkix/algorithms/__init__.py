"""The algorithms of keys and signatures: a module per family, each of which brings its rows.

A new algorithm is a row of its family's module; a new family is a module with `ROWS`, named in `FAMILIES`.
The order of `FAMILIES` is the one in which algorithms are listed.
"""

from __future__ import annotations

from typing import Final

from cmpd.clm.pkix.algorithms import ec, edwards, ml_dsa, montgomery, rsa
from cmpd.clm.pkix.algorithms.definitions import KeyAlgorithm, SignatureAlgorithm
from cmpd.clm.pkix.algorithms.digests import HASHES, HMACS
from cmpd.clm.pkix.algorithms.registers import KEYS, SIGNATURES, register, withdraw

FAMILIES: Final = (rsa, ec, edwards, montgomery, ml_dsa)

for _family in FAMILIES:
    register(_family.ROWS)

__all__ = [
    "HASHES",
    "HMACS",
    "KEYS",
    "SIGNATURES",
    "KeyAlgorithm",
    "SignatureAlgorithm",
    "register",
    "withdraw",
]
