"""The Cryptographic Message Syntax as CMP uses it (RFC 9810, section 5.2.2): content for one recipient.

`enveloped` encrypts for a recipient of `recipients`; `signed` signs as a key generation authority;
`keys` packs a private key; `encrypted_value` is the older envelope of CMP version 2; `challenge` asks for a
proof of possession by decryption. All pure: randomness comes in from outside, but for the ephemeral keys
and paddings that `cryptography` makes itself.
"""
