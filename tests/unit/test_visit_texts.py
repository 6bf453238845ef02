"""What each story of the tests has come to, by its entries alone: the visit that is kept of it.

`visits.txt` was read line by line when it was written. Where a change of the rules changes it on purpose, write it
again, `python -m tests.unit.test_visit_texts > tests/unit/visits.txt`, and read the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.commands.booking import Limits, Origin
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.trust.folds import fold, visit_of
from chalicelib.domain.trust.tiers import Tier
from chalicelib.domain.trust.visit import Visit
from tests.golden import numbered, sections
from tests.unit.stories import STORIES, Story
from tests.unit.test_evidence import split_bill
from tests.unit.test_timeline import _set_fields, _value
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, STAFF, Till

VISITS = Path(__file__).with_name("visits.txt")
HOUR = timedelta(hours=1)
HERE = Origin(ip="192.0.2.1", user_agent="phone")
OF_ALL = frozenset({"merchant_id", "tab_id", "customer_id", "seq"})


def visit(till: Till) -> Visit:
    return visit_of("mer_1", till.tab.tab_id, till.tab.customer_id, till.entries)


def text_of(told: Callable[[], Story]) -> str:
    """The visit of every tab of the story, as it is at the end."""
    lines = [f"# {told.__name__.replace('_', ' ')}"]
    tills: list[Till] = []
    for till in told():
        if till not in tills:
            tills.append(till)
    for till in tills:
        lines.append("")
        lines += [f"  {name}: {_value(value)}" for name, value in _set_fields(visit(till)) if name not in OF_ALL]
    return numbered("\n".join(lines)) + "\n"


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_the_visit_of(told: Callable[[], Story]) -> None:
    actual = text_of(told)

    assert actual.rstrip().splitlines() == sections(VISITS)[actual.partition("\n")[0]].splitlines()


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_a_visit_agrees_with_its_tab(told: Callable[[], Story]) -> None:
    """In the sums that both have, at every turn of the story.

    A visit counts a refund when it is done, the tab when it is asked for; and while a hold is renewed, both hold.
    """
    for till in told():
        tab, now = till.tab, visit(till)
        assert (now.outcome, now.closed_at, now.due_at) == (tab.outcome, tab.closed_at, tab.due_at)
        assert now.paid_minor == tab.paid_minor + sum(leg.refund_pending_minor for leg in tab.legs)
        assert now.owed_minor == tab.balance_minor
        assert now.held_minor >= tab.held_minor


def test_of_a_split_bill_each_share_is_a_part() -> None:
    """Due since it was made, and not presented: the bill was."""
    bill, share = (visit(till) for till in split_bill())
    made = visit_of("mer_1", share.tab_id, share.customer_id, split_bill()[1].entries[:1])

    assert (made.due_at, made.owed_minor, made.paid_at) == (NOON, 25_00, None)
    assert (share.parent_id, share.billed_at, share.presented_at, share.due_at) == (bill.tab_id, None, NOON, NOON)
    assert (share.presented_minor, share.moved_minor, share.paid_minor) == (25_00, -25_00, 25_00)
    assert (bill.parent_id, bill.total_minor, bill.moved_minor, bill.paid_minor) == (None, 60_00, 40_00, 20_00)


def test_what_a_share_brings_back_is_due_anew_if_the_bill_is_due() -> None:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    back = Entry(seq=1, at=NOON + HOUR, by="system", kind="share_returned", details={})
    in_review, due = visit(till), visit(till.accept_bill())

    assert fold(in_review, replace(back, seq=in_review.seq + 1)).due_at is None
    assert (due.due_at, fold(due, replace(back, seq=due.seq + 1)).due_at) == (NOON, NOON + HOUR)


@pytest.mark.parametrize(("consents", "by"), [((), STAFF), (EVERYTHING, ADA)])
def test_an_appointment_is_at_the_time_it_was_moved_to(consents: tuple[Consent, ...], by: Actor) -> None:
    """By staff before anything was accepted, or by the customer, whose word seals the new time."""
    till = Till.booked(deposit_minor=0)
    if consents:
        till.accept(*consents, customer=CUSTOMER)
    till.do(booking.reschedule, NOON + 48 * HOUR, HERE, by=by)

    assert visit(till).starts_at == till.tab.starts_at == NOON + 48 * HOUR


def test_silence_is_a_price_until_the_customer_says_another() -> None:
    tiers = (Tier(percent=100, measure="live by 1 March"), Tier(percent=80, measure="live later"))
    till = Till(tiers=tiers, silence_percent=80).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)

    assert (visit(till).tier_percent, visit(till).ended_at_percent) == (80, None)
    contested = visit(till.do(bill.contest, "cold", 10_00, by=ADA))
    assert (contested.tier_percent, contested.contests[0].amount_minor) == (80, 10_00)
    resolved = visit(till.do(bill.resolve, Resolution.UPHOLD, None, "warm").wait(days=1))
    assert resolved.ended_at_percent == 80


def test_a_cap_that_is_accepted_once_more_is_not_raised() -> None:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER)
    for cap_minor, raises in ((200_00, 0), (150_00, 0), (160_00, 1)):
        till.do(booking.propose_promise, Limits(cap_minor=cap_minor, estimate_minor=50_00 + cap_minor // 100))
        assert visit(till.accept(*EVERYTHING)).cap_raises == raises


def visit_with(*kinds_and_details: tuple[str, dict[str, Any]]) -> Visit:
    """What these entries make of a visit, an hour apart, the first at one o'clock."""
    entries = [
        Entry(seq=seq, at=NOON + seq * HOUR, by="system", kind=kind, details=details)
        for seq, (kind, details) in enumerate(kinds_and_details, 1)
    ]
    return visit_of("mer_1", "tab_1", "cus_1", entries)


def test_cards_are_those_of_holds_payments_and_what_was_saved() -> None:
    """A capture is of the hold's card, which its own entry does not tell."""
    hold = {"payment_id": "pi_1", "amount_minor": 20_00, "capture_before": "2026-03-09T12:00:00Z", "fingerprint": "c"}
    seen = visit_with(
        ("hold_placed", hold),
        ("hold_placed", {"payment_id": "pi_2", "amount_minor": 1_00, "capture_before": "2026-03-09T12:00:00Z"}),
        ("captured", {"payment_id": "pi_1", "amount_minor": 20_00}),
        ("charged", {"payment_id": "pi_3", "amount_minor": 5_00, "fingerprint": "a"}),
        ("card_saved", {"fingerprint": "b"}),
        ("card_saved", {}),
    )

    assert seen.cards == ("a", "b", "c")
    assert [payment.card for payment in seen.payments] == ["c", "a"]
    assert [(held.payment_id, held.card) for held in seen.holds] == [("pi_2", None)]


def test_a_dispute_keeps_its_reason_and_is_decided_once_the_bank_has() -> None:
    opened = ("dispute_opened", {"dispute_id": "dp", "payment_id": "pi", "amount_minor": 1, "reason": "fraudulent"})
    (now,) = visit_with(opened).disputes
    (then,) = visit_with(opened, ("dispute_won", {"dispute_id": "dp", "payment_id": "pi", "amount_minor": 1})).disputes

    assert (now.state, now.decided_at) == (DisputeState.OPEN, None)
    assert (then.at, then.state, then.decided_at) == (now.at, DisputeState.WON, NOON + 2 * HOUR)
    assert then.reason == now.reason == "fraudulent"


def test_what_customers_say_and_what_is_said_of_them() -> None:
    """A fraud warning and a story count from the first; what was taken back is told, and not shown."""
    asked = visit_with(("story_asked", {}), ("story_told", {}), ("rated", {"rating": 4}))
    gone = visit_with(("story_asked", {}), ("story_told", {}), ("story_told", {}), ("story_withdrawn", {}))

    assert (asked.story_asked_at, asked.story_told_at, asked.story_is_shown) == (NOON + HOUR, NOON + 2 * HOUR, True)
    assert asked.rating == 4
    assert (gone.story_told_at, gone.story_is_shown) == (NOON + 2 * HOUR, False)
    assert visit_with(("fraud_warned", {}), ("fraud_warned", {})).fraud_warned_at == NOON + HOUR
    objected = visit_with(("standing_objected", {}))
    assert (objected.objected_at, objected.objection) == (NOON + HOUR, ObjectionState.OPEN)


def test_entries_of_before_a_contest_told_when_the_bill_is_due_leave_that_as_it_was() -> None:
    contested = ("contested", {"contested_minor": 5_00})
    seen = visit_with(("review_ended", {}), contested, ("contest_resolved", {"resolution": "uphold"}))

    assert (seen.due_at, seen.contests[0].answered_at) == (NOON + HOUR, NOON + 3 * HOUR)


if __name__ == "__main__":
    sys.stdout.write("\n".join(text_of(told) for told in STORIES))
