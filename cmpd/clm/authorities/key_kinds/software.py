"""A CA's key in the memory of this process, sealed in the store."""

from __future__ import annotations

import asyncio

from cmpd.clm.authorities.key_ref import KeyRef, T_co, ToBeSigned
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.keypairs import SigningKey
from cmpd.clm.secrets import MasterKey


class SoftwareKey(KeyRef):
    """The store has it as PKCS #8, sealed."""

    kind = "software"

    def __init__(self, private_key: SigningKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key()

    @classmethod
    async def generate(cls, algorithm: str) -> SoftwareKey:
        return cls(keypairs.generate(algorithm))

    @classmethod
    def opened(cls, stored: bytes, master_key: MasterKey, context: str) -> SoftwareKey:
        return cls(keypairs.load_private(master_key.open(stored, context), trusted=True))

    async def sign(self, data: bytes) -> bytes:
        return self.algorithm.sign(self._private_key, data)

    def stored(self, master_key: MasterKey, context: str) -> bytes:
        return master_key.seal(keypairs.private_der(self._private_key), context)

    async def signed(self, structure: ToBeSigned[T_co], *, large: bool = False) -> T_co:
        """Without the detour over the octets that are to be signed."""
        if not large:
            return structure.sign(self._private_key, self.algorithm.hash)
        return await asyncio.to_thread(structure.sign, self._private_key, self.algorithm.hash)
