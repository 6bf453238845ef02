"""The audit of a replay: every difference is reported in words, with its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from devstack.acknowledged import Acknowledged
from devstack.invariants import Objects, by_tab
from devstack.replay.audit import Audit, Sums, audit
from devstack.replay.hotel_clients import Stay
from devstack.replay.plan import plan
from devstack.replay.rows import Booking, End

BOOKING = Booking(
    number=1,
    hotel="Casa Azul",
    lead_days=10,
    arrival=date(2026, 3, 1),
    nights=2,
    adr=Decimal("80"),
    end=End.CHECK_OUT,
    end_on=date(2026, 3, 3),
)
NOTHING_BACK = {"refunded_minor": 0, "refund_pending_minor": 0, "refunded_elsewhere_minor": 0, "disputes": []}
TAB = {
    "tab_id": "tab_1",
    "version": 7,
    "status": "closed",
    "outcome": "fulfilled",
    "payment_state": "paid",
    "currency": "EUR",
    "starts_at": "2026-03-01T14:00:00Z",
    "promise": {
        "cap_minor": 16000,
        "deposit_minor": 8000,
        "starts_at": "2026-03-01T14:00:00Z",
        "review_window_s": 0,
        "accepted": None,
        "tiers": [],
    },
    "proposed": None,
    "contest": None,
    "presented_at": None,
    "price_percent": 100,
    "tier_percent": None,
    "tip_minor": 0,
    "items": [],
    "fee": None,
    "total_minor": 16000,
    "amount_due_minor": 16000,
    "holds": [{"payment_id": "pi_1", "amount_minor": 8000, "captured_minor": 8000, "state": "captured"}],
    "legs": [
        {"payment_id": "pi_1", "kind": "capture", "amount_minor": 8000, **NOTHING_BACK},
        {"payment_id": "pi_2", "kind": "charge", "amount_minor": 8000, **NOTHING_BACK},
    ],
    "ledger": {"service_revenue": -16000, "stripe_balance": 16000},
    "paid_minor": 16000,
    "waived_minor": 0,
    "written_off_minor": 0,
    "adjusted_minor": 0,
    "balance_minor": 0,
    "refund_owed_minor": 0,
    "cash_to_return_minor": 0,
    "flags": [],
    "pause": None,
    "next_action": None,
    "payment": None,
}
LINE = {
    "authorized": 8000,
    "captured": 8000,
    "released": 0,
    "expired": 0,
    "live_holds": 0,
    "charged": 8000,
    "refunded": 0,
}
PAYMENT = {
    "id": "pi_1",
    "status": "succeeded",
    "capture_method": "manual",
    "currency": "eur",
    "amount": 8000,
    "amount_received": 8000,
    "amount_capturable": 0,
    "metadata": {"tab": "tab_1"},
}
OBJECTS = by_tab([PAYMENT, PAYMENT | {"id": "pi_2", "capture_method": "automatic"}], [])
BOOKS = {"accounts": {"acct_1": {"eur": LINE}}, "groups": {"tab_1": {"eur": LINE}}}


def audited(
    tab: dict[str, Any] | None = None,
    books: dict[str, Any] = BOOKS,
    objects: Mapping[str, Objects] = OBJECTS,
    told: Acknowledged | None = None,
) -> Audit:
    plans = {1: plan(BOOKING, timedelta(0), Counter())}
    return audit(plans, {1: Stay(1)}, [(1, tab or TAB, None)], books, objects, told or Acknowledged())


def test_a_tab_that_is_as_it_must_be_is_summed_up():
    found = audited()

    assert found.problems == []
    assert found.by_end == {"fulfilled, paid": found.total}
    assert found.total == Sums(tabs=1, promised=16000, held=8000, captured=8000, charged=8000)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "due"}, "it is due, not closed"),
        ({"outcome": "canceled"}, "it ended as canceled, its row as fulfilled"),
        ({"paid_minor": 15999}, "paid 15999, by its row 16000"),
        ({"waived_minor": 1}, "waived 1, by its row 0"),
        ({"ledger": {"service_revenue": -16000, "stripe_balance": 15999}}, "the ledger sums to -1"),
        ({"balance_minor": 7}, "the receivable is 0, the balance 7"),
        ({"refund_owed_minor": 5}, "a refund of 5 is owed"),
        ({"holds": [TAB["holds"][0] | {"captured_minor": 0, "state": "live"}]}, "a hold is still live"),
        (
            {"flags": [{"kind": "stray", "about": "re_1", "reason": "look at it", "amount_minor": 0}]},
            "flagged: look at it",
        ),
        ({"next_action": {"at": "2026-03-04T10:00:00Z"}}, "something is still to happen"),
        ({"legs": []}, "Stripe has charged 8000, expected 0"),
    ],
)
def test_a_tab_that_differs_is_told(change: dict[str, Any], said: str):
    problems = audited(TAB | change).problems

    assert problems
    assert any(problem.startswith("row 1, tab_1: ") and said in problem for problem in problems)


@pytest.mark.parametrize("name", ["authorized", "captured", "released", "expired", "charged", "refunded"])
def test_a_cent_at_stripe_is_told_by_tab_and_in_total(name: str):
    books = deepcopy(BOOKS)
    books["groups"]["tab_1"]["eur"][name] += 1  # the same dict stands under accounts

    problems = audited(books=books).problems

    assert problems[0].startswith("row 1, tab_1: ")
    assert problems[-1].startswith("in total we have")


def test_a_hold_that_only_stripe_has_is_told():
    books = deepcopy(BOOKS)
    books["accounts"]["acct_1"]["eur"] = LINE | {"live_holds": 8000}

    assert audited(books=books).problems == ["Stripe still holds 8000"]


def test_an_object_that_differs_is_told_though_the_sums_agree():
    """A leg too many in one tab and one too few in another leave every total as it is."""
    objects = {"tab_1": Objects([OBJECTS["tab_1"].payments[0] | {"amount_received": 7999}])}

    problems = audited(objects=objects).problems

    assert "row 1, tab_1: Stripe took 7999 by pi_1, our books say 8000" in problems
    assert "row 1, tab_1: pi_2 is in our books only" in problems


def test_an_answer_that_is_not_true_any_more_is_told():
    told = Acknowledged()
    told.note(TAB | {"version": 8})

    assert audited(told=told).problems == ["row 1, tab_1: version 8 was told, it is at 7"]


def test_payments_of_unknown_tabs_are_told():
    books = deepcopy(BOOKS)
    books["groups"]["tab_2"] = {"eur": LINE}

    assert audited(books=books).problems == ["Stripe has payments of 1 tabs that are no row's: tab_2"]


def test_every_row_is_accounted_for():
    """A row without a tab, two rows with one tab, and a row whose step failed."""
    plans = {number: plan(BOOKING, timedelta(0), Counter()) for number in (1, 2, 3)}

    tabs = [(1, TAB, None), (2, TAB, None)]
    problems = audit(plans, {2: Stay(2, failure="no answer")}, tabs, BOOKS, OBJECTS, Acknowledged()).problems

    assert problems[:3] == ["row 2: no answer", "row 3 has no tab", "two rows have the same tab"]
