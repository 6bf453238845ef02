"""Settlement: the deposit first, then the balance, and no leg below the minimum charge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import NoCard, NothingToPay, PromiseNotAccepted, TransitionRefused
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.agenda import steps
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import HoldState
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.settlement import phone_amount_minor, plan_legs
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Outcome
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    EVERYTHING,
    OWNER,
    STAFF,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)

CAPTURE, CHARGE = Operation.CAPTURE, Operation.CHARGE
MINIMUM = 50


def legs(owed: int, hold: int, *, card: bool = True) -> list[tuple[Operation, int]]:
    planned = plan_legs(owed_minor=owed, hold_minor=hold, minimum_minor=MINIMUM, card=card)
    return [(leg.operation, leg.amount_minor) for leg in planned]


# The cases of the minimum charge, by name


def test_total_up_to_the_hold_is_captured() -> None:
    """The bill is taken from the hold, and the rest of it is released by that."""
    assert legs(15_00, 20_00) == [(CAPTURE, 15_00)]


def test_total_of_exactly_the_hold_is_captured() -> None:
    """Nothing is left to charge."""
    assert legs(20_00, 20_00) == [(CAPTURE, 20_00)]


def test_total_above_the_hold_is_captured_then_charged() -> None:
    """The hold is taken whole and the balance charged to the card."""
    assert legs(50_00, 20_00) == [(CAPTURE, 20_00), (CHARGE, 30_00)]


def test_balance_of_exactly_the_minimum_is_charged_last() -> None:
    """At the minimum no trick is needed."""
    assert legs(20_50, 20_00) == [(CAPTURE, 20_00), (CHARGE, 50)]


def test_balance_below_the_minimum_charges_the_minimum_first() -> None:
    """One cent above the hold: the minimum is charged first, and that much less captured."""
    assert legs(20_01, 20_00) == [(CHARGE, 50), (CAPTURE, 19_51)]


def test_balance_below_the_minimum_without_a_card_captures_the_whole_hold() -> None:
    """The residue is payable in cash, or waived."""
    assert legs(20_01, 20_00, card=False) == [(CAPTURE, 20_00)]


def test_a_hold_too_small_to_share_is_replaced_by_one_charge() -> None:
    """Where the smaller capture would fall below the minimum, everything is charged and the hold released."""
    assert legs(70, 60) == [(CHARGE, 70)]


def test_a_hold_that_can_just_be_shared_is() -> None:
    """hold − (minimum − balance) = minimum is still captured."""
    assert legs(1_00, 60) == [(CHARGE, 50), (CAPTURE, 50)] or legs(1_00, 60) == [(CHARGE, 1_00)]
    assert legs(90 + 10, 90) == [(CHARGE, 50), (CAPTURE, 50)]


def test_total_below_the_minimum_takes_nothing() -> None:
    """Forty-nine cents can't be taken from a card, held or not."""
    assert legs(49, 20_00) == []
    assert legs(49, 0) == []


def test_without_a_hold_the_card_pays_all() -> None:
    """And without both, nothing can be taken without the customer."""
    assert legs(50_00, 0) == [(CHARGE, 50_00)]
    assert legs(50_00, 0, card=False) == []


minimums = st.integers(1, 5_00)


@given(st.data(), minimums, st.booleans())
def test_every_leg_is_at_least_the_minimum_and_never_more_than_is_owed_is_taken(
    data: st.DataObject, minimum: int, card: bool
) -> None:
    """Legs are 0 or at least the minimum, the capture fits the hold, and with a card their sum is what is owed."""
    hold = data.draw(st.sampled_from([0]) | st.integers(minimum, 300_00), "hold")
    owed = data.draw(st.integers(0, 600_00) | st.integers(max(0, hold - minimum), hold + 2 * minimum), "owed")

    planned = plan_legs(owed_minor=owed, hold_minor=hold, minimum_minor=minimum, card=card)

    assert all(leg.amount_minor >= minimum for leg in planned)
    assert len({leg.operation for leg in planned}) == len(planned)
    assert sum(leg.amount_minor for leg in planned if leg.operation == CAPTURE) <= hold
    taken = sum(leg.amount_minor for leg in planned)
    if owed < minimum:
        assert taken == 0
    elif card:
        assert taken == owed
    else:
        assert taken == min(owed, hold)


@given(st.integers(50, 300_00), st.integers(50, 600_00))
def test_if_any_charge_fails_the_whole_hold_is_still_there_to_capture(hold: int, owed: int) -> None:
    """A charge comes before a capture exactly where the capture would be smaller than the hold allows."""
    planned = plan_legs(owed_minor=owed, hold_minor=hold, minimum_minor=MINIMUM, card=True)

    captured = sum(leg.amount_minor for leg in planned if leg.operation == CAPTURE)
    if captured < min(owed, hold) and captured:
        assert [leg.operation for leg in planned] == [CHARGE, CAPTURE]
    elif len(planned) == 2:
        assert [leg.operation for leg in planned] == [CAPTURE, CHARGE]


# Stories


def held(hold: int = 20_00, *consents: str, **given: object) -> Till:
    till = Till(deposit_minor=hold, **given)
    return till.accept(*(consents or EVERYTHING), customer=CUSTOMER).hold_placed()  # type: ignore[arg-type]


def test_a_bill_above_the_hold_is_captured_first_and_the_balance_charged() -> None:
    """Of a bill of 50 with 20 held, 20 are captured, then 30 charged, and the tab closes by itself."""
    till = held().serve(50_00).accept_bill().captured().charged()

    assert [leg.amount_minor for leg in till.tab.legs] == [20_00, 30_00]
    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.FULFILLED)
    assert list(steps(till.tab)) == []


def test_completing_moves_no_money() -> None:
    """The bill is presented and nothing is taken before it is accepted or the window ends."""
    till = held().serve(50_00)

    assert till.tab.attempts == ()
    assert till.tab.plan is None
    assert till.tab.next_action_at == till.tab.review_ends_at == till.now + timedelta(hours=24)


def test_a_small_bill_is_captured_and_what_is_left_of_the_hold_is_free() -> None:
    """Of 20 held 15 are captured: one leg, and no release is needed."""
    till = held().serve(15_00).accept_bill().captured()

    assert till.tab.paid_minor == 15_00
    assert till.tab.holds[0].state == HoldState.CAPTURED
    assert till.tab.status == Status.CLOSED


def test_a_tip_is_taken_with_the_bill_and_is_no_part_of_the_cap() -> None:
    """The cap of 50 is used up by the bill; the tip of 10 comes on top."""
    till = Till(cap_minor=50_00, estimate_minor=50_00).accept(*WITH_CARD, customer=CUSTOMER)

    till.serve(50_00).accept_bill(tip_minor=10_00).charged()

    assert till.tab.paid_minor == 60_00
    assert till.tab.status == Status.CLOSED


def test_charge_first_then_the_smaller_capture() -> None:
    """A bill of 20.01 with 20.00 held: 0.50 charged, 19.51 captured."""
    till = held().serve(20_01).accept_bill()
    assert till.open(CHARGE).amount_minor == 50

    till.charged()
    assert till.open(CAPTURE).amount_minor == 19_51

    till.captured()
    assert till.tab.status == Status.CLOSED


def test_a_charge_first_that_is_declined_captures_the_whole_hold() -> None:
    """The residue of one cent can't be charged automatically, ever: it is for cash, or waived."""
    till = held().serve(20_01).accept_bill().declined(CHARGE)
    assert till.open(CAPTURE).amount_minor == 20_00

    till.captured()

    assert till.tab.balance_minor == 1
    assert till.tab.payment_state == PaymentState.PARTLY_PAID
    assert till.tab.status == Status.DUE
    assert [step.kind for step in steps(till.tab)] == [StepKind.REMIND]
    assert till.allows(Action.WAIVE)
    assert not till.allows(Action.CHARGE_SAVED_CARD, ADA)


def test_a_declined_balance_leaves_the_captured_deposit_and_a_debt() -> None:
    """The bank says never again: nothing is tried by itself; the customer is reminded, and pays on the phone."""
    till = held().serve(50_00).accept_bill().captured().declined(CHARGE)

    assert till.tab.balance_minor == 30_00
    assert till.tab.attempts == ()
    assert [step.kind for step in steps(till.tab)] == [StepKind.REMIND]
    assert till.allows(Action.PAY_ON_PHONE, ADA)


def test_a_hold_that_expired_unheard_is_replaced_by_the_card() -> None:
    """The capture finds the hold gone: the whole bill is charged instead."""
    till = held().serve(50_00).accept_bill().hear(till_expired())

    assert till.open(CHARGE).amount_minor == 50_00
    assert [attempt.state for attempt in till.closed.values()][-1] == AttemptState.FAILED


def till_expired() -> object:
    from chalicelib.domain.tab.facts.fact import Fact
    from tests.unit.till import NOON

    return Fact(kind=FactKind.PAYMENT_EXPIRED, object_id="pi_hold", at=NOON)


def test_a_bill_below_the_minimum_releases_the_hold_and_stays_due() -> None:
    """Thirty cents are for cash: the deposit goes back at once."""
    till = held().serve(30).accept_bill()

    assert till.open(Operation.RELEASE).payment_id == "pi_hold"
    till.released()
    assert till.tab.status == Status.DUE
    assert till.tab.balance_minor == 30


def test_a_bill_of_nothing_closes_and_releases() -> None:
    """A service that cost nothing ends with nothing charged."""
    till = held().do(bill.complete)

    till.released()

    assert till.tab.status == Status.CLOSED
    assert till.tab.payment_state == PaymentState.NONE
    assert till.books == {}


# The review window


def test_the_windows_end_charges_with_stored_consent() -> None:
    """A day of silence, agreed to beforehand, takes the bill as accepted."""
    till = held().serve(50_00).wait(hours=24)

    assert till.tab.status == Status.DUE
    assert till.open(CAPTURE).amount_minor == 20_00
    assert till.captured().open(CHARGE).amount_minor == 30_00


def test_the_windows_end_without_consent_takes_nothing() -> None:
    """Due, and the customer's to pay; the hold stays for them to release by paying."""
    till = held(20_00, *WITH_CARD).serve(50_00).wait(hours=24)

    assert till.tab.status == Status.DUE
    assert till.tab.attempts == ()
    assert till.tab.live_hold is not None


# The hold clock meets the bill


def reviewing_for_a_week(**policy: object) -> Till:
    given = {"review_window_s": 14 * 86400} | policy
    return held(20_00, policy=Policy(**given)).serve(50_00)  # type: ignore[arg-type]


def test_a_hold_about_to_expire_under_review_is_captured_and_the_rest_waits() -> None:
    """Of a bill of 50 the 20 held are captured before they are lost; 30 wait for the customer's review."""
    till = reviewing_for_a_week().wait(days=6)
    assert till.open(CAPTURE).amount_minor == 20_00

    till.captured()
    assert (till.tab.status, till.tab.balance_minor) == (Status.IN_REVIEW, 30_00)
    assert till.tab.next_action_at == till.tab.review_ends_at

    till.wait(days=8)
    assert till.open(CHARGE).amount_minor == 30_00


def test_a_small_bill_under_review_is_captured_up_to_the_bill_only() -> None:
    """Never more than the bill, however much is held."""
    till = held(20_00, policy=Policy(review_window_s=14 * 86400)).serve(12_00).wait(days=6)

    assert till.open(CAPTURE).amount_minor == 12_00


def test_without_consent_an_expiring_hold_under_review_is_not_captured() -> None:
    """Only what the promise disclosed is captured early."""
    till = held(20_00, *WITH_CARD, policy=Policy(review_window_s=14 * 86400)).serve(50_00).wait(days=6)

    assert till.tab.attempts == ()
    assert till.tab.next_action_at == till.tab.review_ends_at


def test_a_bill_accepted_at_the_very_margin_is_taken_whole() -> None:
    """The hold clock has nothing to add to a bill accepted before the sweep came: the balance is charged, too."""
    till = reviewing_for_a_week()
    till.now += timedelta(days=6)

    till.accept_bill().captured()

    assert till.open(CHARGE).amount_minor == 30_00


def test_a_due_bill_captures_its_hold_before_it_expires() -> None:
    """Nobody accepted, no consent to charge by silence, but one to capture before the hold is lost."""
    consents = [consent for consent in EVERYTHING if consent != "automatic_charge"]
    till = held(20_00, *consents).serve(50_00).wait(days=1)
    assert (till.tab.status, till.tab.attempts) == (Status.DUE, ())

    till.wait(days=5)
    assert till.open(CAPTURE).amount_minor == 20_00

    till.captured()
    assert till.tab.balance_minor == 30_00
    assert till.tab.attempts == ()


def test_the_banks_question_about_a_charge_gives_way_to_the_hold_clock() -> None:
    """A charge-first that waits for the customer is closed before the hold is lost, and the whole hold captured."""
    till = held(20_00, policy=Policy(hold_margin_s=6 * 86400 + 23 * 3600)).wait(hours=80).serve(20_01)
    till.accept_bill().awaiting(CHARGE)
    assert till.tab.live_hold is not None
    assert till.tab.next_action_at is not None
    assert till.tab.next_action_at <= till.now + timedelta(hours=24)

    till.wait_until(till.tab.next_action_at)
    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.open(CAPTURE).amount_minor == 20_00


# Fees


def test_a_no_show_pays_the_fee_from_the_hold_and_the_rest_is_free() -> None:
    """Of 40 held the disclosed 30 are captured."""
    till = Till.booked(in_hours=24, deposit_minor=40_00).accept(*WITHOUT_CARD).hold_placed()
    till.wait(hours=24, minutes=15).do(booking.mark_no_show).wait(days=1)
    assert till.open(CAPTURE).amount_minor == 30_00

    till.captured()

    assert (till.tab.paid_minor, till.tab.held_minor) == (30_00, 0)
    assert till.wait(days=13).tab.outcome == Outcome.NO_SHOW


def test_a_no_show_fee_above_the_hold_goes_to_the_card_with_stored_consent() -> None:
    """20 are captured, 10 charged."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER).hold_placed()
    till.wait(hours=25).do(booking.mark_no_show).wait(days=1).captured()

    assert till.open(CHARGE).amount_minor == 10_00


def test_a_no_show_without_an_acceptance_costs_nothing() -> None:
    """A fee that nobody agreed to is not owed."""
    till = Till.booked(in_hours=24, deposit_minor=0).wait(hours=25).do(booking.mark_no_show)

    assert till.tab.fee is None
    assert till.wait(days=14).tab.status == Status.CLOSED


def test_a_late_cancel_pays_the_disclosed_fee_and_an_early_one_nothing() -> None:
    """At the cut-off cancelling is free, a second later it is not."""
    early = Till.booked(in_hours=72).accept(*WITH_CARD, customer=CUSTOMER)
    early.wait(hours=24).hold_placed()
    late = Till.booked(in_hours=72).accept(*WITH_CARD, customer=CUSTOMER)
    late.wait(hours=24).hold_placed().wait(seconds=1)

    early.do(booking.cancel, "ill", by=ADA)
    late.do(booking.cancel, "ill", by=ADA)

    assert early.tab.fee is None
    assert early.open(Operation.RELEASE)
    assert late.open(CAPTURE).amount_minor == 15_00


def test_the_business_cancels_for_free_whenever_it_does() -> None:
    """An hour before the service too, the hold goes back."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER).hold_placed()

    till.wait(hours=23).do(booking.cancel, "burst pipe", by=OWNER).released()

    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.CANCELED)
    assert till.tab.paid_minor == 0


def test_a_no_show_taken_back_owes_nothing_and_has_no_due_date() -> None:
    """The customer was in the other room: the fee is reversed and the service goes on."""
    till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25)
    till.do(booking.mark_no_show)
    assert till.tab.balance_minor == 30_00

    till.do(booking.check_in)

    assert (till.tab.status, till.tab.balance_minor, till.tab.fee) == (Status.OPEN, 0, None)
    assert till.tab.due_at is None
    assert till.books == {}


def test_a_fee_waived_after_it_was_taken_is_given_back() -> None:
    """The no-show stands, and is closed when it is final."""
    till = Till.booked(in_hours=24, deposit_minor=40_00).accept(*WITHOUT_CARD).hold_placed()
    till.wait(hours=25).do(booking.mark_no_show).wait(days=1).captured()

    till.do(bill.waive, "she was ill")
    assert till.tab.payment_state == PaymentState.REFUND_OWED
    assert till.open(Operation.REFUND).amount_minor == 30_00

    till.refunded()
    assert till.tab.paid_minor == 0
    assert till.wait(days=13).tab.status == Status.CLOSED


def test_a_waived_bill_is_settled_and_its_hold_released() -> None:
    """Goodwill brings the amount due to what is paid."""
    till = held().serve(50_00).do(bill.waive, "too short").released()

    assert till.tab.amount_due_minor == 0
    assert till.tab.status == Status.CLOSED


# The phone


def test_the_phone_asks_for_what_the_hold_does_not_cover() -> None:
    """30 of 50, and the 20 are captured when it is paid."""
    till = held(20_00, *WITHOUT_CARD).serve(50_00)
    assert phone_amount_minor(till.tab) == 30_00

    till.do(payment.pay_on_phone, by=ADA).awaiting(CHARGE, "pi_phone").charged("pi_phone")

    assert till.tab.status == Status.DUE
    assert till.open(CAPTURE).amount_minor == 20_00
    assert till.captured().tab.status == Status.CLOSED


def test_the_phone_asks_for_the_minimum_where_the_balance_is_below_it() -> None:
    """A bill of 20.01 over a hold of 20.00 is 0.50 on the phone and 19.51 from the hold."""
    till = held(20_00, *WITHOUT_CARD).serve(20_01).do(payment.pay_on_phone, by=ADA)
    assert till.open(CHARGE).amount_minor == 50

    till.charged("pi_phone")

    assert till.open(CAPTURE).amount_minor == 19_51


def test_the_phone_has_nothing_to_ask_where_the_hold_covers_the_bill() -> None:
    """Accepting is enough, and the refusal says so."""
    till = held().serve(15_00)

    with pytest.raises(NothingToPay, match="hold covers"):
        till.do(payment.pay_on_phone, by=ADA)


def test_a_payment_sheet_lasts_half_an_hour() -> None:
    """Who looks and leaves has agreed to nothing: the payment is closed and the bill stays under review."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(CHARGE)
    assert till.tab.next_action_at == till.now + timedelta(minutes=30)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.tab.status == Status.IN_REVIEW
    assert till.tab.next_action_at == till.tab.review_ends_at


def test_asking_twice_for_the_phone_gives_the_same_payment() -> None:
    """A second tap does not make a second intent."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(CHARGE)
    version = till.tab.version

    till.do(payment.pay_on_phone, by=ADA)

    assert till.tab.version == version


def test_a_bill_can_be_paid_on_the_phone_without_any_promise() -> None:
    """Paying is the customer's own act, and always possible."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()

    assert till.tab.status == Status.CLOSED
    assert till.tab.card is None


def test_a_decline_on_the_phone_heard_before_the_answer_keeps_the_payment_waiting() -> None:
    """The intent can still be paid: it waits for the customer, whatever we heard first."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA)

    till.declined(CHARGE, "pi_phone")

    assert till.open(CHARGE).state == AttemptState.AWAITING_CUSTOMER
    assert till.open(CHARGE).payment_id == "pi_phone"
    assert till.tab.next_action_at == till.now + timedelta(minutes=30)


# The saved card


def test_staff_may_not_charge_a_card_without_the_customers_word() -> None:
    """A kept card is no consent to being charged."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).wait(days=1)

    with pytest.raises(PromiseNotAccepted):
        till.do(payment.charge_saved_card, by=STAFF)


def test_staff_may_not_charge_during_the_review() -> None:
    """The customer has the window to look at the bill."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)

    with pytest.raises(TransitionRefused):
        till.do(payment.charge_saved_card, by=STAFF)


def test_the_customer_charging_their_card_accepts_the_bill() -> None:
    """One tap does both."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).do(payment.charge_saved_card, by=ADA)

    assert till.open(CHARGE).card_id == CARD.card_id
    assert till.charged().tab.status == Status.CLOSED


def test_without_hold_and_card_there_is_nothing_to_charge() -> None:
    """The customer is told to pay on the phone."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00)

    with pytest.raises(NoCard):
        till.do(payment.charge_saved_card, by=ADA)


def test_a_card_that_failed_may_be_charged_again_when_somebody_asks() -> None:
    """By itself nothing repeats a declined charge; the customer may."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()
    till.declined(CHARGE, failure=Failure(code="card_declined", decline_code="do_not_honor"))

    till.do(payment.charge_saved_card, by=ADA)

    assert till.open(CHARGE).amount_minor == 50_00
