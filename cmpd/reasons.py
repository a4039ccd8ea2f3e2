"""Why certificates are revoked: the protocol, the lifecycle and the command line say it alike, so this is a
leaf."""

from __future__ import annotations

REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
"""CRLReason (RFC 5280, section 5.3.1); 7 is not used."""
