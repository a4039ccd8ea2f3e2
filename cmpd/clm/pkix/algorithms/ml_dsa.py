"""ML-DSA (FIPS 204; RFC 9881), signing with an empty context.

None of them implies a hash function, so that certConf over a certificate signed so needs hashAlg.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import mldsa

from cmpd.clm.pkix.algorithms.pure import rows

_ARC = "2.16.840.1.101.3.4.3"

ROWS: Final = (
    *rows(
        "ML-DSA-44",
        f"{_ARC}.17",
        mldsa.MLDSA44PublicKey,
        mldsa.MLDSA44PrivateKey.generate,
        strength=128,
        rank=4,
    ),
    *rows(
        "ML-DSA-65",
        f"{_ARC}.18",
        mldsa.MLDSA65PublicKey,
        mldsa.MLDSA65PrivateKey.generate,
        strength=192,
        rank=4,
    ),
    *rows(
        "ML-DSA-87",
        f"{_ARC}.19",
        mldsa.MLDSA87PublicKey,
        mldsa.MLDSA87PrivateKey.generate,
        strength=256,
        rank=4,
    ),
)
