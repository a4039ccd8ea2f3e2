"""The table of grants is total, shown in the documentation as it is, and refuses whoever has no row."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmpd.clm.documents.policy import Policy
from cmpd.cmp.information import TYPES
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import ABOUT, Granted, Operation, Unreachable
from cmpd.cmp.parties.conditions import Denial, Facts
from cmpd.cmp.parties.party import Capacity, Party
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

SECURITY = Path(__file__).parents[3] / "docs" / "security.md"


def test_each_capacity_has_a_row_for_each_operation_and_a_cell_for_each_of_whom_it_can_be_about() -> None:
    assert list(grants.TABLE) == list(Capacity)
    for rows in grants.TABLE.values():
        assert rows.keys() == set(Operation)
        assert {operation: tuple(row) for operation, row in rows.items()} == {**ABOUT}


def test_every_cell_grants_refuses_or_says_why_nobody_gets_there() -> None:
    cells = [cell for rows in grants.TABLE.values() for row in rows.values() for cell in row.values()]
    for cell in cells:
        assert isinstance(cell, Granted | Denial | Unreachable)
        if isinstance(cell, Denial):
            assert cell.text
        if isinstance(cell, Unreachable):
            assert cell.why


def test_nobody_is_granted_more_than_public_questions() -> None:
    granted = {
        operation
        for operation, row in grants.TABLE[Capacity.NOBODY].items()
        for cell in row.values()
        if isinstance(cell, Granted)
    }
    policies = {Operation.POLICY_BY_DEFAULT, Operation.POLICY_BY_IDENTIFIER, Operation.POLICY_BY_PROFILE}
    assert granted == policies | {Operation.BEGIN, Operation.ASK_PUBLIC}


@pytest.mark.parametrize("capacity", Capacity)
def test_what_cannot_be_reached_is_refused_all_the_same(capacity: Capacity) -> None:
    facts = Facts(Party("", capacity), Policy(ca="", template=""))
    for operation, whoms in ABOUT.items():
        for whom in whoms:
            if isinstance(grants.TABLE[capacity][operation][whom], Unreachable):
                with pytest.raises(CMPFailure) as caught:
                    grants.require(operation, whom, facts)
                assert caught.value.fail_info is FailInfo.notAuthorized


def test_every_body_that_is_served_has_its_operation() -> None:
    """A body type without a row gets nothing: there is no operation to ask for."""
    by_parts = {row.tag.field for row in BODY_TYPES.values() if row.operation is None}
    assert by_parts == {"rr", "genm"}  # by reason, and by question


def test_the_questions_that_nobody_may_ask_are_those_with_a_row_of_their_own() -> None:
    assert [kind.name for kind in TYPES.values() if not kind.public] == ["certReqTemplate"]


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = SECURITY.read_text("utf-8")
    shown = text.partition("### The table\n")[2].partition("```\n")[2].partition("```\n")[0]
    assert shown == grants.table() + "\n", "write what grants.table() gives into docs/security.md"
