"""`make reconcile` fails if a report is not exactly what was injected. CI runs the whole of it."""

from __future__ import annotations

import re
from typing import Any

from devstack.reconcile import injected_differences
from devstack.reconcile.__main__ import compare
from devstack.reconcile.injected_differences import FOREIGN, INJECTIONS, Expected
from devstack.stack import ROOT


def a_report(*found: tuple[str, bool], **more: Any) -> dict[str, Any]:
    lines = [{"code": code, "repaired": done, "tab_id": "tab_1", "merchant_id": "mer_1"} for code, done in found]
    return {"found": lines, "unread": [], "foreign": FOREIGN, **more}


EXPECTED = [Expected("overdue", "tab_1", True), Expected("made_twice", "tab_1", False)]
FOUND = (("made_twice", False), ("overdue", True))


def test_what_was_injected_and_nothing_else_is_a_pass() -> None:
    """In whatever order."""
    assert compare(EXPECTED, a_report(*FOUND)) == []


def test_everything_else_is_told() -> None:
    """Not found, found too often, not repaired, repaired though it should not be, not read, a foreign one missed."""
    for report in (
        a_report(FOUND[0]),
        a_report(*FOUND, FOUND[0]),
        a_report(FOUND[0], ("overdue", False)),
        a_report(FOUND[1], ("made_twice", True)),
        a_report(*FOUND, unread=["Tab tab_2 could not be reconciled."]),
        a_report(*FOUND, foreign=FOREIGN - 1),
    ):
        assert compare(EXPECTED, report)


def test_every_documented_code_is_injected() -> None:
    """The stories of `make reconcile` make each kind of difference that there is."""
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs" / "reconciliation.md").read_text(), re.MULTILINE))
    source = (ROOT / "devstack" / "reconcile" / "injected_differences.py").read_text()

    assert documented == {code for code in documented if f'"{code}"' in source}
    assert len(documented) > 20
    assert {name for name, made in vars(injected_differences).items() if made in INJECTIONS} == {
        injection.__name__ for injection in INJECTIONS
    }
