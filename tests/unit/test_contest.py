"""Contests and their resolution, amended bills, and feedback."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import AmountOffStep, InvalidInput, PaymentInProgress, TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import agenda, due_steps
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent, note_unknown
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import HoldState, PlanReason
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Outcome
from tests.unit.till import (
    ADA,
    CUSTOMER,
    EVERYTHING,
    MERCHANT,
    NOON,
    STAFF,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)

A = Account


def contest(till: Till, contested_minor: int | None = None) -> Till:
    return till.do(bill.contest, "the fringe is crooked", contested_minor, by=ADA)


def resolve(till: Till, resolution: Resolution, reduction_minor: int | None = None) -> Till:
    return till.do(bill.resolve, resolution, reduction_minor, "so it is")


def billed(**given: object) -> Till:
    """A bill of 50 under review; with a card and every consent."""
    return Till(**given).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)  # type: ignore[arg-type]


def held() -> Till:
    """The same, with 20 held."""
    return Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)


# Contesting


def test_a_contest_stops_the_window_and_tells_the_owner() -> None:
    """Nothing is charged at the window's end: only the contest's own deadline is pending."""
    till = contest(billed())

    assert till.tab.status == Status.CONTESTED
    assert set(till.planned) == {StepKind.CONTEST_OVERDUE}
    assert till.told[-1] == (MessageKind.CONTESTED, Recipient.OWNER)
    assert till.tab.contest is not None
    assert till.tab.contest.reason == "the fringe is crooked"
    till.wait(days=2)
    assert till.tab.attempts == ()


def test_all_of_the_bill_is_contested_unless_a_part_is_named() -> None:
    """The amount due, without the tip that a declined card did not pay."""
    whole = contest(billed().accept_bill(5_00).declined(Operation.CHARGE)).tab.contest
    part = contest(billed(), 20_00).tab.contest

    assert whole is not None
    assert whole.contested_minor == 50_00
    assert part is not None
    assert part.contested_minor == 20_00


@pytest.mark.parametrize("amount", [0, -1, 50_01])
def test_no_more_than_is_due_is_contested(amount: int) -> None:
    """Nor nothing."""
    till = billed()

    with pytest.raises(InvalidInput):
        contest(till, amount)

    assert till.tab.status == Status.IN_REVIEW


def test_a_contested_amount_is_on_the_currencys_step() -> None:
    """As every amount that comes in."""
    till = Till(merchant=replace(MERCHANT, currency="KWD"), cap_minor=200_000, estimate_minor=60_000).serve(50_000)

    with pytest.raises(AmountOffStep):
        contest(till, 1_001)


def test_a_contested_tab_takes_no_cash_no_adjusting_and_no_second_contest() -> None:
    """It is resolved first; a refund is always possible where something was taken."""
    till = contest(billed())

    assert till.allows(Action.RESOLVE)
    for action in (Action.TAKE_CASH, Action.ADJUST, Action.WAIVE, Action.WRITE_OFF, Action.AMEND):
        assert not till.allows(action)
    for action in (Action.CONTEST, Action.PAY_ON_PHONE, Action.CHARGE_SAVED_CARD, Action.ACCEPT_BILL):
        assert not till.allows(action, ADA)


# A payment under way


def test_a_contest_is_recorded_while_a_payment_is_pending_and_stops_its_replay() -> None:
    """The attempt is left to end as it will; it is not made again, and no other follows."""
    till = contest(billed().accept_bill())
    attempt = till.open(Operation.CHARGE)
    assert not due_steps.still_holds(till.tab, attempt, till.now)
    assert not till.allows(Action.RESOLVE)

    till.end(note_unknown, Operation.CHARGE)
    assert not due_steps.still_holds(till.tab, till.open(Operation.CHARGE), till.now)
    with pytest.raises(PaymentInProgress):
        resolve(till, Resolution.UPHOLD)

    till.end(note_absent, Operation.CHARGE)
    assert till.tab.attempts == ()
    assert till.allows(Action.RESOLVE)


def test_a_payment_that_came_through_after_the_contest_is_kept_until_it_is_resolved() -> None:
    """It is adopted; adjusting gives back what is too much."""
    till = contest(billed().accept_bill()).charged()
    assert till.tab.status == Status.CONTESTED
    assert till.tab.paid_minor == 50_00

    resolve(till, Resolution.ADJUST, 20_00)

    assert till.open(Operation.REFUND).amount_minor == 20_00
    assert till.books[A.REFUND_PAYABLE] == -20_00


def test_a_payment_on_the_phone_is_closed_by_the_contest() -> None:
    """The sheet asks for what is contested now: closed at once."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)

    contest(till)

    due = agenda.due_call(till.tab, till.now)
    assert due is not None
    assert due.kind == StepKind.CLOSE_PAYMENT


def test_the_phones_part_paid_as_it_is_contested_does_not_take_the_hold() -> None:
    """30 were paid on the phone a moment before: the 20 that are held stay held, not captured."""
    till = held().do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)
    contest(till)

    till.charged("pi_asks")

    assert till.tab.status == Status.CONTESTED
    assert till.tab.attempts == ()
    assert till.tab.holds[0].state == HoldState.LIVE


def test_a_charge_declined_after_the_contest_is_not_retried_until_it_is_resolved() -> None:
    """Its next try is planned, and waits for the end of the contest."""
    till = contest(billed().accept_bill()).declined(Operation.CHARGE, failure=TRY_LATER)
    assert set(till.planned) == {StepKind.CONTEST_OVERDUE}
    assert till.tab.expected_at is None

    resolve(till, Resolution.UPHOLD)

    assert till.tab.attempts == ()
    assert till.planned[StepKind.RETRY_CHARGE] == NOON + timedelta(days=2)


# The hold clock


@pytest.mark.parametrize(
    ("contested", "captured"),
    [(10_00, 20_00), (30_00, 20_00), (35_00, 15_00), (49_80, None), (50_00, None)],
)
def test_a_hold_about_to_expire_takes_only_what_is_not_contested(contested: int, captured: int | None) -> None:
    """Of 50 with 20 held: what the customer agrees to, at most the hold, nothing below the minimum charge."""
    till = contest(held(), contested).wait(days=6)

    if captured is None:
        assert till.tab.attempts == ()
        return
    assert till.open(Operation.CAPTURE).amount_minor == captured
    assert till.tab.plan is not None
    assert till.tab.plan.reason == PlanReason.HOLD_EXPIRING
    till.captured()
    assert till.tab.status == Status.CONTESTED
    assert till.tab.attempts == ()


def test_without_consent_an_expiring_hold_takes_nothing() -> None:
    """Capture before expiry is a consent of its own."""
    till = Till(deposit_minor=20_00).accept(*WITH_CARD, customer=CUSTOMER).hold_placed().serve(50_00)

    contest(till, 10_00).wait(days=6)

    assert till.tab.attempts == ()


# Resolving


def test_adjusted_the_bill_is_under_review_again() -> None:
    """Lowered by what was agreed, with a window of its own and a message."""
    till = resolve(contest(billed()).wait(days=2), Resolution.ADJUST, 10_00)

    assert (till.tab.status, till.tab.total_minor) == (Status.IN_REVIEW, 40_00)
    assert till.tab.review_ends_at == till.now + timedelta(days=1)
    assert till.tab.contest is None
    assert till.told[-1] == (MessageKind.CONTEST_RESOLVED, Recipient.CUSTOMER)
    assert till.posted("bill_adjusted") == [(A.CUSTOMER_RECEIVABLE, -10_00), (A.SERVICE_REVENUE, 10_00)]
    assert till.wait(days=1).open(Operation.CHARGE).amount_minor == 40_00


def test_adjusting_takes_its_share_of_the_tax() -> None:
    """A third of the bill, a third of the tax, rounded half to even."""
    till = Till().do(
        bill.add_items,
        [bill.ItemInput(description="Service", unit_price_minor=119_00, tax_basis_points=1_900)],
    )
    till.do(bill.complete)

    resolve(contest(till), Resolution.ADJUST, 23_80)

    assert till.posted("bill_adjusted") == [
        (A.CUSTOMER_RECEIVABLE, -20_00),
        (A.SERVICE_REVENUE, 20_00),
        (A.CUSTOMER_RECEIVABLE, -3_80),
        (A.TAX, 3_80),
    ]
    assert (till.tab.total_minor, till.tab.tax_minor) == (95_20, 15_20)


def test_upheld_the_bill_is_due_and_charged_as_agreed() -> None:
    """With stored consent at once; the customer reads why."""
    till = resolve(contest(billed()), Resolution.UPHOLD)

    assert till.tab.status == Status.DUE
    assert till.open(Operation.CHARGE).amount_minor == 50_00
    assert till.told[-1] == (MessageKind.CONTEST_RESOLVED, Recipient.CUSTOMER)


def test_upheld_without_consent_nothing_is_charged() -> None:
    """It is due, and followed up by reminders."""
    till = resolve(contest(Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00)), Resolution.UPHOLD)

    assert till.tab.status == Status.DUE
    assert set(till.planned) == {StepKind.REMIND}


def test_upheld_after_the_last_try_no_fifth_is_made() -> None:
    """A bank that said never again is not asked again because of a contest."""
    till = billed().accept_bill().declined(Operation.CHARGE)

    resolve(contest(till), Resolution.UPHOLD)

    assert till.tab.attempts == ()
    assert set(till.planned) == {StepKind.REMIND}


def test_waived_nothing_is_due_and_what_was_taken_goes_back() -> None:
    """20 were captured, 30 are owed: all is forgiven, at the business's cost."""
    till = contest(held().accept_bill().captured().declined(Operation.CHARGE))

    resolve(till, Resolution.WAIVE)

    assert till.tab.amount_due_minor == 0
    assert till.open(Operation.REFUND).amount_minor == 20_00
    till.refunded()
    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.FULFILLED)
    assert till.books == {A.GOODWILL: 50_00, A.SERVICE_REVENUE: -50_00}


def test_waived_the_hold_is_released() -> None:
    """It secures nothing any more."""
    till = resolve(contest(held()), Resolution.WAIVE)

    assert till.open(Operation.RELEASE).amount_minor == 20_00
    assert till.released().tab.status == Status.CLOSED


@pytest.mark.parametrize(
    ("resolution", "reduction"),
    [
        (Resolution.ADJUST, None),
        (Resolution.ADJUST, 0),
        (Resolution.ADJUST, 50_01),
        (Resolution.UPHOLD, 1),
        (Resolution.WAIVE, 1),
    ],
)
def test_a_resolution_needs_its_own_figure_and_no_other(resolution: Resolution, reduction: int | None) -> None:
    """By how much for adjust, nothing for the others."""
    till = contest(billed())

    with pytest.raises(InvalidInput):
        resolve(till, resolution, reduction)

    assert till.tab.status == Status.CONTESTED


def test_a_bill_that_is_partly_forgiven_is_not_lowered_below_zero() -> None:
    """20 paid, 30 forgiven, and then contested: at most the 20 are left to lower."""
    till = held().do(payment.take_cash, 20_00).do(bill.waive, "half of it was bad")
    contest(till)

    with pytest.raises(InvalidInput, match="2000"):
        resolve(till, Resolution.ADJUST, 20_01)
    resolve(till, Resolution.ADJUST, 20_00)

    assert till.tab.amount_due_minor == 0


def test_only_the_business_resolves_and_only_the_customer_contests() -> None:
    """Each their own part."""
    till = billed()
    assert till.allows(Action.CONTEST, ADA)
    assert not till.allows(Action.CONTEST, STAFF)
    contest(till)
    assert not till.allows(Action.RESOLVE, ADA)


# The deadline


def test_after_the_deadline_the_owner_is_reminded_then_what_is_contested_is_waived() -> None:
    """Once, with how much; two days later it is so, and the rest is followed up."""
    till = contest(Till().accept(*WITHOUT_CARD).serve(50_00), 20_00)
    till.wait(days=7)
    assert till.told[-1] == (MessageKind.CONTEST_OVERDUE, Recipient.OWNER)
    assert till.messages[-1].values == {"contested_minor": 20_00, "default_at": "2026-03-11T12:00:00Z"}
    till.wait(days=1, hours=23)
    assert till.tab.status == Status.CONTESTED
    assert till.told.count((MessageKind.CONTEST_OVERDUE, Recipient.OWNER)) == 1

    till.wait(hours=1)

    assert (till.tab.status, till.tab.contest, till.tab.balance_minor) == (Status.DUE, None, 30_00)
    assert till.books == {A.CUSTOMER_RECEIVABLE: 30_00, A.GOODWILL: 20_00, A.SERVICE_REVENUE: -50_00}
    assert set(till.planned) == {StepKind.REMIND}


def test_what_nobody_contested_is_charged_as_promised() -> None:
    """With consent to it: 30 of 50, and nothing of the 20 that nobody answered for."""
    till = contest(billed(), 20_00).wait(days=7).wait(days=2)

    assert till.open(Operation.CHARGE).amount_minor == 30_00
    assert till.charged().tab.status == Status.CLOSED


def test_all_of_it_contested_and_unanswered_nothing_is_due() -> None:
    """And the hold goes."""
    till = contest(held()).wait(days=9)

    assert till.tab.amount_due_minor == 0
    assert till.open(Operation.RELEASE).amount_minor == 20_00


def test_what_was_given_back_meanwhile_is_not_waived_again() -> None:
    """40 of 50 contested, 20 of it refunded by staff during the contest: 30 are left to waive."""
    till = contest(billed().accept_bill(), 40_00).charged().do(payment.refund, 20_00, "half of it").refunded()

    till.wait(days=7).wait(days=2)

    assert till.tab.waived_minor == 30_00
    assert till.tab.amount_due_minor == 0


def test_cash_that_a_deadline_gives_back_waits_for_a_person() -> None:
    """Nobody stands at the counter because a clock struck: it is owed, both are told, and staff record it."""
    till = contest(Till().serve(50_00).do(payment.take_cash, 20_00)).wait(days=7).wait(days=2)
    assert (till.tab.status, till.tab.payment_state) == (Status.DUE, PaymentState.REFUND_OWED)
    assert (till.tab.cash_to_return_minor, till.posted("cash_returned")) == (20_00, [])
    assert till.told[-2:] == [
        (MessageKind.CASH_TO_RETURN, Recipient.CUSTOMER),
        (MessageKind.CASH_TO_RETURN, Recipient.OWNER),
    ]
    assert till.planned == {}
    with pytest.raises(InvalidInput, match="2000"):
        till.do(payment.return_cash, 20_01)

    till.do(payment.return_cash, 5_00).do(payment.return_cash, 15_00)

    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.FULFILLED)
    assert till.books == {A.GOODWILL: 50_00, A.SERVICE_REVENUE: -50_00}


def test_card_and_cash_each_go_back_their_own_way() -> None:
    """10 in cash, then 40 by card, 45 contested and unanswered: 40 to the card by itself, 5 over the counter."""
    till = Till().serve(50_00).do(payment.take_cash, 10_00).do(payment.pay_on_phone, by=ADA)
    contest(till, 45_00).charged().wait(days=7).wait(days=2)

    assert (till.open(Operation.REFUND).payment_id, till.open(Operation.REFUND).amount_minor) == ("pi_charge", 40_00)
    assert till.tab.cash_to_return_minor == 5_00
    till.refunded().do(payment.return_cash, 5_00)
    assert till.tab.status == Status.CLOSED


def test_a_bill_of_which_a_part_was_waived_can_still_be_lowered() -> None:
    """The rest is owed like any other."""
    till = contest(Till().accept(*WITHOUT_CARD).serve(50_00), 20_00).wait(days=7).wait(days=2)

    till.do(bill.adjust, 10_00, "that, too")

    assert till.tab.balance_minor == 20_00


def test_the_clock_waits_for_a_payment_whose_outcome_is_not_known() -> None:
    """What is to go back depends on whether the money came."""
    till = contest(billed().accept_bill()).wait(days=7).wait(days=3)
    assert till.tab.status == Status.CONTESTED

    till.charged()

    assert till.open(Operation.REFUND).amount_minor == 50_00
    assert till.refunded().tab.status == Status.CLOSED


def test_the_deadlines_lie_outside_the_quiet_hours() -> None:
    """Contested late at night, the owner and the customer hear of it in the morning."""
    till = Till().serve(50_00)
    till.wait_until(NOON + timedelta(hours=11))
    contest(till)

    assert till.tab.contest is not None
    assert till.tab.contest.deadline_at == NOON + timedelta(days=7, hours=20)
    assert till.tab.contest.default_at == NOON + timedelta(days=9, hours=20)


# The bill taken back


def test_an_amended_bill_is_open_again_and_a_new_window_starts() -> None:
    """What was posted with it is reversed; completing posts the new one."""
    till = billed().do(bill.amend)
    assert (till.tab.status, till.tab.amount_due_minor, till.books) == (Status.OPEN, 0, {})

    till.wait(days=3).serve(10_00)

    assert till.tab.review_ends_at == till.now + timedelta(days=1)
    assert till.books == {A.CUSTOMER_RECEIVABLE: 60_00, A.SERVICE_REVENUE: -60_00}


def test_an_amended_bill_has_no_window_that_could_end() -> None:
    """Nothing is charged for a bill that was taken back."""
    till = billed().do(bill.amend).wait(days=3)

    assert till.tab.status == Status.OPEN
    assert till.tab.attempts == ()


def test_a_bill_is_not_taken_back_once_something_is_paid() -> None:
    """It can be adjusted."""
    till = billed().do(payment.take_cash, 10_00)

    with pytest.raises(TransitionRefused, match="Adjust the bill"):
        till.do(bill.amend)
    assert till.allows(Action.ADJUST)


def test_a_bill_that_is_forgiven_is_not_taken_back() -> None:
    """While its hold is on the way back, the bill is still under review, and over."""
    till = held().do(bill.waive, "so")
    assert till.tab.status == Status.IN_REVIEW

    with pytest.raises(TransitionRefused, match="already waived"):
        till.do(bill.amend)


def test_what_a_contest_took_off_the_bill_stays_off_when_it_is_amended() -> None:
    """Lowered by 10 as agreed, taken back whole, and presented again: the 10 are still off, the tax in them too."""
    till = Till()
    till.do(bill.add_items, [ItemInput(description="Cut", unit_price_minor=50_00, tax_basis_points=25_00)])
    till.do(bill.complete)
    resolve(contest(till), Resolution.ADJUST, 10_00)
    assert (till.tab.amount_due_minor, till.tab.tax_minor) == (40_00, 8_00)

    till.do(bill.amend)
    assert till.books == {}
    assert till.tab.total_minor == 40_00

    till.do(bill.complete)
    assert (till.tab.amount_due_minor, till.tab.tax_minor, till.tab.adjusted_minor) == (40_00, 8_00, 10_00)


def test_no_more_stays_off_an_amended_bill_than_is_on_it() -> None:
    """Of 50 and 5, 40 were taken off; without the 50, nothing is left to pay, and nothing is owed to the customer."""
    till = Till().serve(50_00, 5_00)
    resolve(contest(till), Resolution.ADJUST, 40_00)

    till.do(bill.amend).do(bill.void_item, till.tab.items[0].item_id)
    assert till.tab.total_minor == 0
    till.do(bill.complete)

    assert (till.tab.status, till.tab.refund_owed_minor) == (Status.CLOSED, 0)
    assert till.books == {}


def test_what_staff_took_off_the_bill_stays_off_when_it_is_amended() -> None:
    """A reduction that the customer was told of is agreed on, contest or not."""
    till = Till().serve(50_00).do(bill.adjust, 10_00, "late").do(bill.amend).serve(5_00)

    assert till.tab.amount_due_minor == 45_00


def test_a_new_bill_is_followed_up_from_the_start() -> None:
    """Reminders and tries of the fee that was taken back are not the bill's."""
    till = Till.booked(deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER).wait(hours=25)
    till.do(booking.mark_no_show).wait(days=1).declined(Operation.CHARGE, failure=TRY_LATER).wait(days=1)
    assert till.tab.followup.reminders_sent == 1
    assert till.tab.followup.tries == 1

    till.do(booking.check_in).serve(50_00).accept_bill()

    assert till.tab.followup.reminders_sent == 0
    assert till.tab.followup.tries == 0


# The tip of a bill accepted twice, and feedback


@pytest.mark.parametrize("tip", [0, 3_00, 5_00])
def test_accepted_again_the_customers_last_word_on_the_tip_counts(tip: int) -> None:
    """A tip of 5 was paid with a bill that is contested and lowered by 10: what they still give is not owed back."""
    till = contest(billed().accept_bill(5_00)).charged()
    resolve(till, Resolution.ADJUST, 10_00)

    till.accept_bill(tip)

    assert till.tab.amount_due_minor == 40_00 + tip
    assert till.books[A.TIPS] == -tip if tip else A.TIPS not in till.books


def test_charging_the_card_in_the_review_is_for_the_bill_alone() -> None:
    """The tip went with the card that was declined: it was never owed."""
    till = billed().accept_bill(5_00).declined(Operation.CHARGE, failure=TRY_LATER)
    resolve(contest(till), Resolution.ADJUST, 10_00)

    till.do(payment.charge_saved_card, by=ADA)

    assert till.open(Operation.CHARGE).amount_minor == 40_00


def test_a_tip_paid_and_taken_back_is_owed_back() -> None:
    """55 were paid in all; lowered by 10 and accepted again without the tip, 15 go back."""
    till = contest(billed().accept_bill(5_00)).charged()
    resolve(till, Resolution.ADJUST, 10_00)

    till.accept_bill(0).refunded("re_1")

    assert till.open(Operation.REFUND).amount_minor == 5_00
    till.refunded("re_2")
    assert (till.tab.status, till.tab.paid_minor) == (Status.CLOSED, 40_00)
    assert till.books == {A.STRIPE_BALANCE: 40_00, A.SERVICE_REVENUE: -40_00}


def test_feedback_is_kept_with_the_bill_that_it_is_about() -> None:
    """Stars and words; accepting again without any keeps the first."""
    till = Till().serve(50_00)
    till.do(bill.accept_bill, 0, Feedback(rating=4, comment="lovely"), by=ADA)
    assert till.tab.feedback == Feedback(rating=4, comment="lovely")

    resolve(contest(till), Resolution.ADJUST, 10_00).accept_bill()

    assert till.tab.feedback == Feedback(rating=4, comment="lovely")
    assert till.tab.payment_state == PaymentState.OWED


def test_a_late_charge_of_an_attempt_given_up_is_no_acceptance_of_a_contested_bill() -> None:
    """The money is adopted, the contest stands."""
    till = contest(billed())

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 20_00, attempt_id="att_gone"))

    assert till.tab.status == Status.CONTESTED
    assert till.tab.paid_minor == 20_00
