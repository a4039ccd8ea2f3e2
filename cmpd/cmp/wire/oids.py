"""The names of object identifiers, as their RFCs spell them, for people to read.

The names of the algorithms that cmpd has come from their rows (`cmpd.clm.pkix.algorithms`). Nothing here
decides anything: what cmpd does with an algorithm, an extension or a general message stands where it is
done. Attribute types of names have their short names in `cmpd.clm.pkix.attributes`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from cmpd.clm.pkix.algorithms import digests, registers

_PKIX = "1.3.6.1.5.5.7"
_PKCS = "1.2.840.113549.1"
_NIST = "2.16.840.1.101.3.4"
_ANSI = "1.2.840.10045"
_CERTICOM = "1.3.132"

_ARCS: dict[str, dict[str, str]] = {
    "extensions and accesses (RFC 5280)": {
        "2.5.29.9": "subjectDirectoryAttributes",
        "2.5.29.14": "subjectKeyIdentifier",
        "2.5.29.15": "keyUsage",
        "2.5.29.16": "privateKeyUsagePeriod",
        "2.5.29.17": "subjectAltName",
        "2.5.29.18": "issuerAltName",
        "2.5.29.19": "basicConstraints",
        "2.5.29.20": "cRLNumber",
        "2.5.29.21": "reasonCode",
        "2.5.29.23": "holdInstructionCode",
        "2.5.29.24": "invalidityDate",
        "2.5.29.27": "deltaCRLIndicator",
        "2.5.29.28": "issuingDistributionPoint",
        "2.5.29.29": "certificateIssuer",
        "2.5.29.30": "nameConstraints",
        "2.5.29.31": "cRLDistributionPoints",
        "2.5.29.32": "certificatePolicies",
        "2.5.29.32.0": "anyPolicy",
        "2.5.29.33": "policyMappings",
        "2.5.29.35": "authorityKeyIdentifier",
        "2.5.29.36": "policyConstraints",
        "2.5.29.37": "extKeyUsage",
        "2.5.29.37.0": "anyExtendedKeyUsage",
        "2.5.29.46": "freshestCRL",
        "2.5.29.54": "inhibitAnyPolicy",
        f"{_PKIX}.1.1": "authorityInfoAccess",
        f"{_PKIX}.1.11": "subjectInfoAccess",
        f"{_PKIX}.1.24": "tlsFeature",
        f"{_PKIX}.2.1": "cps",
        f"{_PKIX}.2.2": "unotice",
        f"{_PKIX}.48.1": "ocsp",
        f"{_PKIX}.48.1.5": "ocspNoCheck",
        f"{_PKIX}.48.2": "caIssuers",
        f"{_PKIX}.48.5": "caRepository",
    },
    "key purposes (RFC 5280, RFC 6402, RFC 9480)": {
        f"{_PKIX}.3.1": "serverAuth",
        f"{_PKIX}.3.2": "clientAuth",
        f"{_PKIX}.3.3": "codeSigning",
        f"{_PKIX}.3.4": "emailProtection",
        f"{_PKIX}.3.8": "timeStamping",
        f"{_PKIX}.3.9": "OCSPSigning",
        f"{_PKIX}.3.17": "ipsecIKE",
        f"{_PKIX}.3.27": "cmcCA",
        f"{_PKIX}.3.28": "cmcRA",
        f"{_PKIX}.3.29": "cmcArchive",
        f"{_PKIX}.3.32": "cmKGA",
    },
    "general messages (RFC 9810, section 5.3.19)": {
        f"{_PKIX}.4.1": "caProtEncCert",
        f"{_PKIX}.4.2": "signKeyPairTypes",
        f"{_PKIX}.4.3": "encKeyPairTypes",
        f"{_PKIX}.4.4": "preferredSymmAlg",
        f"{_PKIX}.4.5": "caKeyUpdateInfo",
        f"{_PKIX}.4.6": "currentCRL",
        f"{_PKIX}.4.7": "unsupportedOIDs",
        f"{_PKIX}.4.10": "keyPairParamReq",
        f"{_PKIX}.4.11": "keyPairParamRep",
        f"{_PKIX}.4.12": "revPassphrase",
        f"{_PKIX}.4.13": "implicitConfirm",
        f"{_PKIX}.4.14": "confirmWaitTime",
        f"{_PKIX}.4.15": "origPKIMessage",
        f"{_PKIX}.4.16": "suppLangTags",
        f"{_PKIX}.4.17": "caCerts",
        f"{_PKIX}.4.18": "rootCaKeyUpdate",
        f"{_PKIX}.4.19": "certReqTemplate",
        f"{_PKIX}.4.20": "rootCaCert",
        f"{_PKIX}.4.21": "certProfile",
        f"{_PKIX}.4.22": "crlStatusList",
        f"{_PKIX}.4.23": "crls",
        f"{_PKIX}.4.24": "KemCiphertextInfo",
    },
    "registration controls and info (RFC 4211, RFC 9480)": {
        f"{_PKIX}.5.1.1": "regToken",
        f"{_PKIX}.5.1.2": "authenticator",
        f"{_PKIX}.5.1.3": "pkiPublicationInfo",
        f"{_PKIX}.5.1.4": "pkiArchiveOptions",
        f"{_PKIX}.5.1.5": "oldCertID",
        f"{_PKIX}.5.1.6": "protocolEncrKey",
        f"{_PKIX}.5.1.7": "altCertTemplate",
        f"{_PKIX}.5.1.11": "algId",
        f"{_PKIX}.5.1.12": "rsaKeyLen",
        f"{_PKIX}.5.2.1": "utf8Pairs",
        f"{_PKIX}.5.2.2": "certReq",
    },
    "MACs and key derivation (RFC 9481)": {
        "1.2.840.113533.7.66.13": "PasswordBasedMac",
        "1.2.840.113533.7.66.16": "KemBasedMac",
        "1.2.840.113533.7.66.30": "DHBasedMac",
        f"{_PKCS}.5.12": "PBKDF2",
        f"{_PKCS}.5.13": "PBES2",
        f"{_PKCS}.5.14": "PBMAC1",
        "1.3.6.1.5.5.8.1.1": "hmac-MD5",
    },
    "hash functions": {
        "1.2.840.113549.2.5": "md5",
        f"{_NIST}.2.8": "sha3-256",
        f"{_NIST}.2.9": "sha3-384",
        f"{_NIST}.2.10": "sha3-512",
        f"{_NIST}.2.11": "shake128",
        f"{_NIST}.2.12": "shake256",
        f"{_NIST}.2.18": "shake256-len",
    },
    "signatures and public keys": {
        f"{_PKCS}.1.4": "md5WithRSAEncryption",
        f"{_PKCS}.1.5": "sha1WithRSAEncryption",
        f"{_PKCS}.1.7": "RSAES-OAEP",
        f"{_PKCS}.1.8": "mgf1",
        f"{_PKCS}.1.9": "pSpecified",
        "1.2.840.10040.4.1": "dsa",
        "1.2.840.10040.4.3": "dsa-with-sha1",
        f"{_CERTICOM}.0.10": "secp256k1",
        f"{_CERTICOM}.0.33": "P-224",
        f"{_ANSI}.4.1": "ecdsa-with-SHA1",
        f"{_NIST}.4.1": "ML-KEM-512",
        f"{_NIST}.4.2": "ML-KEM-768",
        f"{_NIST}.4.3": "ML-KEM-1024",
    },
    "encryption and key agreement": {
        "1.2.840.113549.3.7": "des-EDE3-CBC",
        f"{_NIST}.1.2": "aes128-CBC",
        f"{_NIST}.1.5": "aes128-wrap",
        f"{_NIST}.1.6": "aes128-GCM",
        f"{_NIST}.1.22": "aes192-CBC",
        f"{_NIST}.1.25": "aes192-wrap",
        f"{_NIST}.1.26": "aes192-GCM",
        f"{_NIST}.1.42": "aes256-CBC",
        f"{_NIST}.1.45": "aes256-wrap",
        f"{_NIST}.1.46": "aes256-GCM",
        "1.3.133.16.840.63.0.2": "dhSinglePass-stdDH-sha1kdf-scheme",
        f"{_CERTICOM}.1.11.0": "dhSinglePass-stdDH-sha224kdf-scheme",
        f"{_CERTICOM}.1.11.1": "dhSinglePass-stdDH-sha256kdf-scheme",
        f"{_CERTICOM}.1.11.2": "dhSinglePass-stdDH-sha384kdf-scheme",
        f"{_CERTICOM}.1.11.3": "dhSinglePass-stdDH-sha512kdf-scheme",
        f"{_PKCS}.9.16.3.9": "PWRI-KEK",
        f"{_PKCS}.9.16.3.28": "HKDF-SHA256",
        f"{_PKCS}.9.16.13.3": "KEMRecipientInfo",
    },
    "CMS and PKCS #9": {
        f"{_PKCS}.7.1": "data",
        f"{_PKCS}.7.2": "signedData",
        f"{_PKCS}.7.3": "envelopedData",
        f"{_PKCS}.7.6": "encryptedData",
        f"{_PKCS}.9.16.1.23": "authEnvelopedData",
        "2.16.840.1.101.2.1.2.78.5": "AsymmetricKeyPackage",
        f"{_PKCS}.9.1": "emailAddress",
        f"{_PKCS}.9.2": "unstructuredName",
        f"{_PKCS}.9.3": "contentType",
        f"{_PKCS}.9.4": "messageDigest",
        f"{_PKCS}.9.5": "signingTime",
        f"{_PKCS}.9.7": "challengePassword",
        f"{_PKCS}.9.14": "extensionRequest",
    },
}

NAMES: Mapping[str, str] = ChainMap(
    {oid: name for arc in _ARCS.values() for oid, name in arc.items()}, registers.OID_NAMES, digests.OID_NAMES
)
"""Dotted OID → name."""


def name(oid: str) -> str:
    """The name of an OID; the dotted form of one without."""
    return NAMES.get(oid, oid)
