"""Message protection (RFC 9810, section 5.1.3): a module per family of algorithms, a table by OID.

`mac.parse` and `signature.parse` read a protectionAlg; `family` tells which of the two it is for. The
signature algorithms serve proof of possession as well.
"""

from __future__ import annotations

from cmpd.cmp.protection import ecdsa, pbm, pbmac1, pure, rsa, shared_key
from cmpd.cmp.protection.keys import PrivateKey, PublicKey
from cmpd.cmp.protection.table import Family, describe, families, family, register

for _module in (pbm, pbmac1, shared_key, rsa, ecdsa, pure):
    for _row in _module.FAMILIES:
        register(_row)

__all__ = ["Family", "PrivateKey", "PublicKey", "describe", "families", "family", "register"]
