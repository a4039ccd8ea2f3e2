"""Certificate requests as they come, in CRMF or PKCS #10, and their proof of possession."""
