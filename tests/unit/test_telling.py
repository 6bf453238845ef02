"""Who tells no story: whoever has served the tab, whoever else they sign in as."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.telling import is_of_business
from tests.unit.till import NOON


@pytest.mark.parametrize(
    ("kind", "details", "of_business"),
    [
        ("opened", {}, True),
        ("checked_in", {}, True),
        ("items_added", {}, True),
        ("item_voided", {}, True),
        ("bill_presented", {}, True),
        ("cash_taken", {}, True),
        ("promise_accepted", {"method": "in_person"}, True),
        ("promise_accepted", {"method": "app"}, False),
        ("bill_accepted", {}, False),
        ("rated", {"method": "in_person"}, False),
    ],
)
def test_who_has_served_a_tab_is_of_its_business(kind: str, details: dict[str, Any], of_business: bool) -> None:
    entry = Entry(seq=1, at=NOON, by="sam", kind=kind, details=details)

    assert is_of_business("sam", [entry]) is of_business
    assert not is_of_business("ada", [entry])
