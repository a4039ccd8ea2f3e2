"""What a CA is: certificate, chain, key, signers, and its CRLs."""
