"""The one exception that carries a CMP failure, and the names RFC 9810 has for statuses and failures."""

# ruff: noqa: N815 -- the members are spelled as the ASN.1 spells them

from __future__ import annotations

from enum import IntEnum


class PKIStatus(IntEnum):
    """PKIStatus (RFC 9810, section 5.2.3)."""

    accepted = 0
    grantedWithMods = 1
    rejection = 2
    waiting = 3
    revocationWarning = 4
    revocationNotification = 5
    keyUpdateWarning = 6


class FailInfo(IntEnum):
    """The bits of PKIFailureInfo (RFC 9810, section 5.2.3 and appendix F); the value is the bit's number."""

    badAlg = 0
    """Unrecognized or unsupported algorithm identifier."""
    badMessageCheck = 1
    """The integrity check failed."""
    badRequest = 2
    """The transaction is not permitted or not supported."""
    badTime = 3
    """messageTime is too far from the clock."""
    badCertId = 4
    """No certificate matches."""
    badDataFormat = 5
    wrongAuthority = 6
    incorrectData = 7
    missingTimeStamp = 8
    badPOP = 9
    """The proof of possession failed."""
    certRevoked = 10
    certConfirmed = 11
    wrongIntegrity = 12
    """A MAC where a signature is wanted, or the reverse."""
    badRecipientNonce = 13
    timeNotAvailable = 14
    unacceptedPolicy = 15
    unacceptedExtension = 16
    addInfoNotAvailable = 17
    badSenderNonce = 18
    badCertTemplate = 19
    signerNotTrusted = 20
    transactionIdInUse = 21
    unsupportedVersion = 22
    notAuthorized = 23
    systemUnavail = 24
    systemFailure = 25
    duplicateCertReq = 26


class CMPFailure(Exception):
    """A request cannot be granted. Turned into a message in one place, the responder."""

    def __init__(
        self,
        fail_info: FailInfo | None,
        text: str,
        *,
        detail: str = "",
        status: PKIStatus = PKIStatus.rejection,
    ) -> None:
        super().__init__(text)
        self.fail_info = fail_info
        """The failInfo bit; None where the status says it all."""
        self.text = text
        """For the client: what was wrong, in words that give away no secret."""
        self.detail = detail
        """For the log only."""
        self.status = status
