"""End entities' passwords, also those that somebody has moved about in the store."""

from __future__ import annotations

import pytest

from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.model import Entity
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddEntity
from tests.clm.conftest import PKI

VICTIM = "0c1f5a9c-2f6c-4b64-8d4e-0a5b7c1d2e3f"
ATTACKER = "1d1f5a9c-2f6c-4b64-8d4e-0a5b7c1d2e3f"


@pytest.mark.parametrize("spoilt", ["moved", "cut short", "flipped"])
def test_a_password_that_cannot_be_unsealed_is_none_and_said_once_with_the_remedy(
    pki: PKI, caplog: pytest.LogCaptureFixture, spoilt: str
) -> None:
    """Whoever can write to the store does not get in by putting a password he knows into another's row."""
    own = pki.master_key.seal(b"known", password_context(ATTACKER if spoilt == "moved" else VICTIM))
    sealed = {"moved": own, "cut short": own[:9], "flipped": own[:-1] + bytes([own[-1] ^ 1])}[spoilt]

    async def work(store: Store) -> list[bool]:
        client = await pki.client(store)
        await store.commit([AddEntity(Entity(VICTIM, "victim", password=sealed))])
        credentials = client.credentials
        secret, usable = credentials.shared_secret(await store.entity(VICTIM))
        assert (secret != b"known", usable) == (True, False)
        return [await credentials.check_password(VICTIM, given) for given in (b"known", b"", secret)]

    assert pki.run(work) == [False, False, False]
    (line,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert line.startswith(f"end entity {VICTIM} has no usable password: ")
    assert line.endswith(f"; `cmpd entity password {VICTIM}` gives it a new one")
