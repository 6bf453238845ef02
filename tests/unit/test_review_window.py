"""The review window of a bill begins when the customer was told of it, or has seen it; never by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, OWNER, Till

DAY = timedelta(days=1)
GUEST = Actor(
    subject="lnk_1", role=Role.GUEST, merchant_id="mer_1", customer_id="cus_1", tab_id="tab_2", scope=Scope.VIEW
)


def untold() -> Till:
    """A bill of 50 with every consent, presented at noon; its message is still on its way."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER)
    till.post_works = False
    return till.serve(50_00)


def seq(till: Till, kind: str) -> int:
    """The number of the last entry of this kind."""
    return [entry.seq for entry in till.entries if entry.kind == kind][-1]


def test_a_bill_nobody_was_told_of_is_not_charged() -> None:
    """However long that lasts."""
    till = untold().wait(days=100)

    assert (till.tab.status, till.tab.review_ends_at, till.tab.attempts) == (Status.IN_REVIEW, None, ())
    assert till.tab.expected_at is None


def test_the_window_begins_when_the_message_was_handed_over() -> None:
    """Three hours later: a day from then, and not from noon."""
    till = untold().wait(hours=3)

    till.hear_of_post(seq(till, "bill_presented"), "sms")

    assert till.tab.review_ends_at == NOON + timedelta(hours=3) + DAY == till.tab.expected_at
    assert till.planned == {StepKind.END_REVIEW: NOON + timedelta(hours=3) + DAY}
    assert till.entries[-1].details == {"how": "sms", "review_ends_at": "2026-03-03T15:00:00Z"}
    assert till.wait(hours=24).tab.status == Status.DUE


def test_told_again_the_window_stays() -> None:
    """The process died between the mark and this, and the job came again; or a second channel reports."""
    till = untold()
    till.hear_of_post(seq(till, "bill_presented"))
    ends_at, entries = till.tab.review_ends_at, len(till.entries)

    till.now += timedelta(hours=5)
    till.hear_of_post(seq(till, "bill_presented"))

    assert (till.tab.review_ends_at, len(till.entries)) == (ends_at, entries)


def test_seen_the_window_begins_at_once() -> None:
    """And a late message changes nothing."""
    till = untold().do(bill.see, by=ADA)
    assert till.tab.review_ends_at == NOON + DAY

    till.now += timedelta(hours=5)
    till.hear_of_post(seq(till, "bill_presented"))

    assert till.tab.review_ends_at == NOON + DAY
    assert till.kinds.count("bill_seen") == 1
    assert "bill_told" not in till.kinds


def test_a_guest_with_the_link_has_seen_it() -> None:
    """One that only allows to look, too: looking is what this is about."""
    assert untold().do(bill.see, by=GUEST).tab.review_ends_at == NOON + DAY


def test_whatever_the_customer_does_they_have_seen_the_bill() -> None:
    """Paying on the phone, for one; what the business does says nothing."""
    till = untold()
    till.do(payment.take_cash, 10_00)
    assert till.tab.review_ends_at is None

    till.do(payment.pay_on_phone, by=ADA)

    assert till.tab.review_ends_at == NOON + DAY
    assert "bill_seen" in till.kinds


def test_who_accepts_or_contests_has_no_window() -> None:
    for command in (lambda till: till.accept_bill(), lambda till: till.do(bill.contest, "cold", None, by=ADA)):
        till = command(untold())
        assert (till.tab.review_ends_at, till.tab.untold_bill) == (None, None)
        assert "bill_seen" not in till.kinds


def test_the_owner_hears_of_it_after_a_day() -> None:
    """Once, as a flag, which is lowered when the customer knows the bill."""
    till = untold()
    assert till.planned == {StepKind.BILL_NOT_TOLD: NOON + DAY}

    till.wait(days=1).wait(days=10)

    assert [flag.kind for flag in till.tab.flags] == [FlagKind.BILL_NOT_TOLD]
    assert till.kinds.count("flagged") == 1
    assert till.planned == {}
    till.do(bill.see, by=ADA)
    assert (till.tab.flags, till.tab.review_ends_at) == ((), till.now + DAY)


def test_the_flag_goes_with_the_bill() -> None:
    """Paid in cash, or taken back: nobody need be told of it any more."""
    paid = untold().wait(days=1).do(payment.take_cash, 50_00)
    amended = untold().wait(days=1).do(bill.amend)

    for till in (paid, amended):
        assert (till.tab.flags, till.tab.untold_bill, till.tab.review_ends_at) == ((), None, None)
    assert paid.tab.status == Status.CLOSED


def test_a_resolved_flag_is_not_raised_again() -> None:
    till = untold().wait(days=1)

    till.do(payment.resolve_flag, till.tab.flags[0].flag_id, "I called them.", by=OWNER).wait(days=30)

    assert till.tab.flags == ()


def test_an_older_bills_message_says_nothing_of_the_new_one() -> None:
    """Presented, taken back, presented again; and only then is the first message handed over."""
    till = untold()
    first = seq(till, "bill_presented")
    till.do(bill.amend).do(bill.add_items, [ItemInput(description="Wax", unit_price_minor=5_00)]).do(bill.complete)

    till.hear_of_post(first)
    assert till.tab.review_ends_at is None

    till.hear_of_post(seq(till, "bill_presented"))
    assert till.tab.review_ends_at == NOON + DAY


def test_a_contest_that_ends_with_a_lower_bill_begins_a_new_window_once_that_is_told() -> None:
    till = untold().do(bill.contest, "too dear", None, by=ADA)

    till.do(bill.resolve, Resolution.ADJUST, 10_00, "sorry")
    assert (till.tab.status, till.tab.review_ends_at) == (Status.IN_REVIEW, None)
    till.hear_of_post(seq(till, "bill_presented"))
    assert till.tab.review_ends_at is None

    till.hear_of_post(seq(till, "contest_resolved"))
    assert till.tab.review_ends_at == NOON + DAY


def test_a_guest_who_left_is_told_of_the_bill_with_that() -> None:
    """The bill is presented because they left: its own message is not sent."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER)
    till.post_works = False
    till.do(bill.add_items, [ItemInput(description="Coffee", unit_price_minor=5_00)]).do(bill.walk_out)
    assert till.tab.review_ends_at is None

    till.hear_of_post(seq(till, "walked_out"))

    assert till.tab.review_ends_at == NOON + DAY


def test_a_hold_that_is_about_to_end_is_captured_as_disclosed() -> None:
    """Whether the customer was told or not: the promise says so, and the balance waits for its review."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    till.post_works = False
    till.serve(50_00)

    till.wait(days=6)

    assert till.open(till.tab.attempts[0].operation).amount_minor == 20_00
    till.captured().wait(days=30)
    assert (till.tab.status, till.tab.balance_minor, till.tab.attempts) == (Status.IN_REVIEW, 30_00, ())


@pytest.mark.parametrize("hours", [1, 30])
def test_the_window_never_ends_before_the_promised_start(hours: int) -> None:
    till = Till.booked(in_hours=72, deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER)
    till.post_works = False
    till.do(booking.check_in).serve(50_00).wait(hours=hours)

    till.hear_of_post(seq(till, "bill_presented"))

    assert till.tab.review_ends_at == NOON + timedelta(hours=72)
