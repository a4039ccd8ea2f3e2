"""Message protection (RFC 9810, section 5.1.3): a module per family of MACs, signatures, a table by OID.

`mac.parse` and `signature.parse` read a protectionAlg; `family` tells which of the two it is for. The
signature algorithms serve proof of possession as well.
"""

from __future__ import annotations

from cmpd.clm.pkix.algorithms.definitions import PublicKey
from cmpd.clm.pkix.algorithms.definitions import SigningKey as PrivateKey
from cmpd.cmp.protection import pbm, pbmac1, shared_key
from cmpd.cmp.protection.mac_table import MacFamily, describe, family, macs, register

for _module in (pbm, pbmac1, shared_key):
    for _row in _module.FAMILIES:
        register(_row)

__all__ = ["MacFamily", "PrivateKey", "PublicKey", "describe", "family", "macs", "register"]
