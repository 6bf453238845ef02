"""Who is asked for a story, and who tells none: whoever has served the tab, whoever else they sign in as."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab.commands import bill
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.share import Parent
from chalicelib.domain.tab.story import TabStory
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.tab.telling import ask, asks_at, is_of_business
from chalicelib.domain.trust.terms import StoryTerms
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, Till


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


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, True),
        ({"policy": Policy()}, False),
        ({"story": TabStory(asked_at=NOON)}, False),
        ({"parent": Parent(tab_id="tab_p", amount_minor=1, time_s=1)}, False),
        ({"closed_at": None}, False),
        ({"outcome": Outcome.WRITTEN_OFF}, False),
    ],
)
def test_everybody_is_asked_whose_visit_was_fulfilled(change: dict[str, Any], asked: bool) -> None:
    """Once, so many days after its end; a share is of somebody else's visit."""
    till = Till(policy=Policy(stories=StoryTerms(ask_after_days=3))).accept(*EVERYTHING, customer=CUSTOMER)
    closed = till.serve(50_00).do(bill.accept_bill, 0, by=ADA).charged().tab

    assert asks_at(replace(closed, **change)) == (NOON + timedelta(days=3) if asked else None)


def test_asking_is_written_down() -> None:
    draft = Till().draft()
    ask(draft)

    assert draft.tab.story == TabStory(asked_at=NOON)
    assert [entry.kind for entry in draft.entries] == ["story_asked"]
