"""A module of algorithms that cmpd is without: a curve of Brainpool (RFC 5639), and ECDSA with SHA3-256.

It is all that they would cost: rows, and nothing else anywhere.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec as curves

from cmpd.clm.pkix.algorithms import ec
from cmpd.clm.pkix.algorithms.definitions import Agreement

CURVE = "brainpoolP256r1"
CURVE_OID = "1.3.36.3.3.2.8.1.1.7"
SIGNATURE = "ecdsa-with-SHA3-256"
SIGNATURE_OID = "2.16.840.1.101.3.4.3.10"

ROWS = (
    ec.key(
        CURVE,
        CURVE_OID,
        curves.BrainpoolP256R1(),
        128,
        SIGNATURE,
        Agreement("1.3.132.1.11.1", hashes.SHA256),
    ),
    ec.ecdsa(SIGNATURE, SIGNATURE_OID, hashes.SHA3_256(), None),
)
