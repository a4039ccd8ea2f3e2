"""X25519 and X448 (RFC 8410): keys that agree on keys and cannot sign."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x448 import X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from cmpd.clm.pkix.algorithms.definitions import KeyAlgorithm

ROWS: Final = (
    KeyAlgorithm("X25519", "X25519", "1.3.101.110", X25519PublicKey, strength=128, agrees=True),
    KeyAlgorithm("X448", "X448", "1.3.101.111", X448PublicKey, strength=224, agrees=True),
)
