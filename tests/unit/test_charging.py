"""When a card is charged, when not, with whom present, and who hears that nothing is charged any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.facts.attempt_outcomes import note_rejected
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import HoldState
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    EVERYTHING,
    OTHER_CARD,
    STAFF,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)

CHARGE, CAPTURE = Operation.CHARGE, Operation.CAPTURE
ENDED = (MessageKind.COLLECTION_ENDED, Recipient.OWNER)
STOLEN = Failure(code="card_declined", decline_code="stolen_card")
REFUSED = Failure(code="parameter_invalid")
A_FORTNIGHT = Policy(review_window_s=14 * 86400)


def done_ahead(**given: object) -> Till:
    """Booked in ten days, done and billed today, 50.00, with every consent and a card."""
    till = Till.booked(in_hours=240, **given).accept(*EVERYTHING, customer=CUSTOMER)  # type: ignore[arg-type]
    return till.do(booking.check_in).serve(50_00)


def with_card(price: int = 50_00) -> Till:
    return Till().accept(*EVERYTHING, customer=CUSTOMER).serve(price)


def held(held_minor: int, price: int, **given: object) -> Till:
    till = Till(deposit_minor=held_minor, **given).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()  # type: ignore[arg-type]
    return till.serve(price)


# Never before the promised start


def test_a_service_done_before_its_time_is_not_charged_before_its_time() -> None:
    """The window's silence charges nobody before the start that they were promised."""
    till = done_ahead(deposit_minor=0)
    assert till.tab.review_ends_at == till.tab.starts_at

    till.wait(hours=239)
    assert (till.tab.status, till.tab.attempts) == (Status.IN_REVIEW, ())
    till.wait(hours=1)

    assert till.open(CHARGE).amount_minor == 50_00


def test_whoever_accepts_the_bill_is_charged_at_once() -> None:
    """Their word is enough, whatever was promised."""
    assert done_ahead(deposit_minor=0).accept_bill().open(CHARGE).amount_minor == 50_00


@pytest.mark.parametrize("resolution", [Resolution.ADJUST, Resolution.UPHOLD])
def test_a_contest_that_ends_before_the_start_charges_nobody_before_it(resolution: Resolution) -> None:
    """Upheld or lowered: the promised start stands."""
    till = done_ahead(deposit_minor=0).do(bill.contest, "so", None, by=ADA)
    till.do(bill.resolve, resolution, 10_00 if resolution == Resolution.ADJUST else None, "so")

    till.wait(hours=239)
    assert till.tab.attempts == ()
    till.wait(hours=1)

    assert till.tab.starts_at == till.now
    assert till.open(CHARGE).amount_minor == (40_00 if resolution == Resolution.ADJUST else 50_00)


def test_a_hold_is_not_captured_before_the_promised_start() -> None:
    """The hold clock waits for the start, too; a hold that ends before it is let go."""
    till = Till.booked(in_hours=6 * 24 + 12, policy=A_FORTNIGHT).accept(*EVERYTHING, customer=CUSTOMER)
    till.wait(days=4, hours=12).hold_placed(days=4)
    till.do(booking.check_in).serve(50_00)
    assert till.tab.live_hold is not None

    assert till.planned[StepKind.HOLD_CLOCK] >= (till.tab.starts_at or till.now)


# A hold clock never shortens the review


def test_a_hold_about_to_expire_leaves_the_review_of_the_balance_alone() -> None:
    """The hold is captured up to the bill, nothing else is charged, and the window ends when it was to."""
    till = held(20_00, 50_00, policy=A_FORTNIGHT)
    ends_at = till.tab.review_ends_at

    till.wait(days=6)
    assert (till.open(CAPTURE).amount_minor, till.tab.status) == (20_00, Status.IN_REVIEW)
    till.captured()

    assert (till.tab.review_ends_at, till.tab.attempts) == (ends_at, ())
    assert till.planned[StepKind.END_REVIEW] == ends_at


def test_a_hold_about_to_expire_captures_only_what_is_not_contested() -> None:
    """Of 50 held for a bill of 50, 40 are contested: 10 are captured."""
    till = held(50_00, 50_00, policy=replace(A_FORTNIGHT, contest_deadline_s=30 * 86400))
    till.do(bill.contest, "so", 40_00, by=ADA).wait(days=6)

    assert till.open(CAPTURE).amount_minor == 10_00


# A tip is due in the moment it is paid


def test_a_tip_that_a_declined_card_did_not_pay_is_no_debt() -> None:
    """The bill is owed, followed up and tried again; the tip never was."""
    till = with_card().accept_bill(5_00)
    assert till.open(CHARGE).amount_minor == 55_00

    till.declined(CHARGE, failure=TRY_LATER)
    assert (till.tab.tip_minor, till.tab.amount_due_minor, till.tab.balance_minor) == (0, 50_00, 50_00)
    assert Account.TIPS not in till.books

    till.wait(days=3)
    assert till.open(CHARGE).amount_minor == 50_00
    assert till.open(CHARGE).tip_minor == 0


@pytest.mark.parametrize(("price", "tip"), [(15_00, 2_00), (15_00, 7_00), (18_00, 40), (50_00, 5_00), (20_20, 1_00)])
def test_bill_and_tip_are_taken_together_from_hold_and_card(price: int, tip: int) -> None:
    """In whichever legs: the bill comes first, and the tip is given with the leg that takes it."""
    till = held(20_00, price).accept_bill(tip)
    for _ in range(3):
        if till.tab.taking_attempt is None:
            break
        assert till.tab.tip_minor + till.tab.taking_attempt.tip_minor <= tip
        till = till.captured() if till.tab.taking_attempt.operation == CAPTURE else till.charged()

    assert (till.tab.paid_minor, till.tab.tip_minor, till.tab.refund_owed_minor) == (price + tip, tip, 0)
    assert till.books[Account.TIPS] == -tip


def test_the_part_of_a_tip_that_the_hold_has_paid_is_kept_when_the_card_is_declined() -> None:
    """Of 7 for a bill of 15, 5 came from the hold of 20; the 2 that the card did not pay are no debt."""
    till = held(20_00, 15_00).accept_bill(7_00).captured().declined(CHARGE)

    assert (till.tab.tip_minor, till.tab.balance_minor, till.tab.paid_minor) == (5_00, 0, 20_00)
    assert till.tab.status == Status.CLOSED


def test_a_tip_that_nothing_can_pay_now_is_refused() -> None:
    """No hold and no card: the tip would be a debt. It is given on the phone, with the bill."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00)

    with pytest.raises(InvalidInput, match="tip_minor"):
        till.accept_bill(5_00)

    till.do(payment.pay_on_phone, 5_00, by=ADA).awaiting(CHARGE)
    assert (till.open(CHARGE).amount_minor, till.tab.amount_due_minor) == (55_00, 50_00)
    till.charged("pi_asks")
    assert (till.tab.status, till.tab.tip_minor, till.tab.paid_minor) == (Status.CLOSED, 5_00, 55_00)


def test_a_fee_has_no_tip() -> None:
    """There was no service."""
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)

    with pytest.raises(InvalidInput, match="no service"):
        till.do(payment.pay_on_phone, 5_00, by=ADA)


# With the customer, and without


def test_a_bill_that_is_accepted_is_charged_with_the_customer_there() -> None:
    """Every leg of it, for half an hour; what the schedule takes later is without them."""
    till = held(20_00, 50_00).accept_bill().captured()
    assert till.open(CHARGE).customer_present

    later = held(20_00, 50_00).accept_bill()
    later.now += timedelta(minutes=31)
    assert not later.captured().open(CHARGE).customer_present


def test_the_schedule_and_the_staff_charge_without_the_customer() -> None:
    """Nobody is there to answer the bank."""
    by_the_clock = with_card().wait(days=1)
    assert not by_the_clock.open(CHARGE).customer_present

    by_staff = by_the_clock.declined(CHARGE, failure=TRY_LATER).do(payment.charge_saved_card, by=STAFF)
    assert not by_staff.open(CHARGE).customer_present


def test_a_hold_placed_while_the_promise_is_accepted_is_placed_with_the_customer_there() -> None:
    """The same card, the same moment; placed by the clock it is without them."""
    assert Till.booked().accept(*WITH_CARD, customer=CUSTOMER).open(Operation.PLACE_HOLD).customer_present

    later = Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER).wait(days=8)
    assert not later.open(Operation.PLACE_HOLD).customer_present


# A card that must never be tried again


FINAL = [
    *(Failure(code="card_declined", advice=advice) for advice in ("do_not_try_again", "confirm_card_data")),
    *(
        Failure(code="card_declined", decline_code=code)
        for code in (
            *("lost_card", "stolen_card", "pickup_card", "restricted_card", "fraudulent", "invalid_account"),
            *("incorrect_number", "invalid_number", "new_account_information_available", "transaction_not_allowed"),
            *("stop_payment_order", "revocation_of_authorization", "revocation_of_all_authorizations"),
        )
    ),
    Failure(code="expired_card"),
    *(
        Failure(code="card_declined", network_code=code, advice="try_again_later")
        for code in ("04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3")
    ),
    *(Failure(code="card_declined", network_advice=code, advice="try_again_later") for code in ("03", "21")),
]


@pytest.mark.parametrize("failure", FINAL, ids=repr)
def test_card_refused_for_good_is_not_charged_again_whoever_asks(failure: Failure) -> None:
    """Not by staff, not by the customer, not by the schedule; the reason is told to the business."""
    till = with_card().accept_bill().declined(CHARGE, failure=failure)

    assert till.tab.card is not None
    assert till.tab.card.refused
    assert not till.allows(Action.CHARGE_SAVED_CARD)
    assert not till.allows(Action.CHARGE_SAVED_CARD, ADA)
    assert till.allows(Action.PAY_ON_PHONE, ADA)
    assert StepKind.RETRY_CHARGE not in till.planned


@pytest.mark.parametrize("failure", [TRY_LATER, Failure(code="card_declined", decline_code="do_not_honor")])
def test_a_card_that_is_declined_for_now_may_be_charged_again(failure: Failure) -> None:
    """The bank's "not now" forbids nothing."""
    till = with_card().accept_bill().declined(CHARGE, failure=failure)

    assert till.allows(Action.CHARGE_SAVED_CARD)


def test_card_refused_for_another_bill_is_refused_here() -> None:
    """The card is the customer's: what was learnt of it on one tab holds for all."""
    till = with_card().hear(Till().fact(FactKind.CARD_REFUSED, CARD.card_id, failure=STOLEN)).wait(days=1)

    assert (till.tab.status, till.tab.attempts) == (Status.DUE, ())
    assert not till.allows(Action.CHARGE_SAVED_CARD)


def test_another_card_declined_on_the_phone_says_nothing_of_the_saved_one() -> None:
    """The phone tried a stolen one; the saved card is as good as before."""
    till = with_card().wait(days=1).declined(CHARGE, failure=TRY_LATER).do(payment.pay_on_phone, by=ADA)
    attempt_id = till.awaiting(CHARGE).open(CHARGE).attempt_id
    till.hear(till.fact(FactKind.DECLINED, "pi_asks", attempt_id=attempt_id, card_id="pm_other", failure=STOLEN))

    assert till.tab.card == CARD


def test_the_placement_of_a_hold_with_a_stolen_card_refuses_the_card_too() -> None:
    """Whatever was declined, it is the card that must not be tried again."""
    till = Till.booked().accept(*EVERYTHING, customer=CUSTOMER).declined(Operation.PLACE_HOLD, failure=STOLEN)

    assert not till.tab.may_use_card


# Another card


def test_a_card_saved_after_a_decline_is_tried_soon() -> None:
    """Not after twenty days, and not never: with the new card, whose tries are counted anew."""
    till = with_card().accept_bill().declined(CHARGE, failure=STOLEN)
    till.now += timedelta(hours=1)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_2", card=OTHER_CARD))

    assert till.open(CHARGE).card_id == OTHER_CARD.card_id
    assert till.tab.followup.tries == 0


def test_a_card_saved_at_night_is_tried_in_the_morning() -> None:
    """Quiet hours are for the money, too."""
    till = with_card().accept_bill().declined(CHARGE, failure=STOLEN)
    till.now += timedelta(hours=11)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_2", card=OTHER_CARD))

    assert till.tab.attempts == ()
    assert till.planned[StepKind.RETRY_CHARGE].hour == 8


def test_a_card_that_the_bank_has_replaced_is_tried_soon() -> None:
    """Expired, then renewed under the same id."""
    till = with_card().accept_bill().declined(CHARGE, failure=Failure(code="expired_card"))
    assert not till.tab.may_use_card

    till.hear(till.fact(FactKind.CARD_UPDATED, CARD.card_id, card=replace(CARD, last4="1881")))

    assert till.open(CHARGE).card_id == CARD.card_id


# When the gateway refuses our call


def test_a_call_that_was_refused_is_our_fault_and_made_again() -> None:
    """The customer hears that we try again, never that their bank declined; it is no try of the card."""
    till = with_card().wait(days=1)

    till.end(note_rejected, CHARGE, REFUSED)

    assert till.told[-2:] == [
        (MessageKind.CALL_REFUSED, Recipient.OWNER),
        (MessageKind.CALL_REFUSED, Recipient.CUSTOMER),
    ]
    assert till.messages[-1].values == {"amount_minor": 50_00, "again_by": "us"}
    assert {kind for kind, _ in till.told} & {MessageKind.CARD_DECLINED, MessageKind.COLLECTION_ENDED} == set()
    assert till.tab.followup.tries == 0
    assert len(till.tab.flags) == 1
    till.wait(hours=1).charged()
    assert (till.tab.status, till.tab.flags) == (Status.CLOSED, ())


def test_the_flag_goes_with_the_cause_whatever_the_bank_says_then() -> None:
    """A decline is an answer to a call that was taken; so is the bank's question."""
    for answer in ("declined", "awaiting"):
        till = with_card().wait(days=1).end(note_rejected, CHARGE, REFUSED).wait(hours=1)
        assert till.tab.flags
        getattr(till, answer)(CHARGE)
        assert till.tab.flags == ()


def test_the_flag_goes_when_the_call_is_needed_no_more() -> None:
    """The customer has paid in cash: nothing is left to be charged."""
    till = with_card().wait(days=1).end(note_rejected, CHARGE, REFUSED).do(payment.take_cash, 50_00)

    assert (till.tab.status, till.tab.flags) == (Status.CLOSED, ())


def test_a_call_that_is_refused_for_days_is_left_to_people() -> None:
    """Five more times, ever more seldom; the customer hears of it once, and the owner of the end."""
    till = with_card().wait(days=1)
    for _ in range(5):
        till.end(note_rejected, CHARGE, REFUSED)
        till.wait_until(till.planned[StepKind.RETRY_CHARGE])
    till.end(note_rejected, CHARGE, REFUSED)

    assert StepKind.RETRY_CHARGE not in till.planned
    assert [kind for kind, to in till.told if to == Recipient.CUSTOMER].count(MessageKind.CALL_REFUSED) == 1
    assert till.told[-1] == ENDED
    assert till.messages[-1].values["why"] == "call_refused"


# The owner hears of every end


def test_the_owner_hears_that_no_card_is_left() -> None:
    """Consent to be charged, and nothing to charge: not in silence."""
    till = Till().accept(*WITHOUT_CARD, Consent.AUTOMATIC_CHARGE).serve(50_00).wait(days=1)
    assert ENDED not in till.told

    till.wait(minutes=30)

    assert till.told[-1] == ENDED
    assert till.messages[-1].values["why"] == "no_card"


def test_the_owner_hears_that_the_card_was_removed() -> None:
    """From a bill that is due at once; from one under review that its card is gone."""
    under_review = with_card()
    due = with_card().accept_bill().declined(CHARGE, failure=TRY_LATER)
    assert ENDED not in due.told

    for till in (under_review, due):
        till.hear(till.fact(FactKind.CARD_REMOVED, CARD.card_id))

    assert under_review.told[-1] == (MessageKind.CARD_GONE, Recipient.OWNER)
    assert due.told[-1] == ENDED


def test_the_owner_hears_that_the_reminders_are_used_up() -> None:
    """With the last of them, once."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).wait(days=1).wait(days=1).wait(days=2)
    assert ENDED not in till.told

    till.wait(days=4).wait(days=30)

    assert till.told.count(ENDED) == 1
    assert till.messages[-1].values["what"] == "reminding"


def test_the_owner_hears_once_that_the_tries_are_used_up() -> None:
    """Not again with each day that goes by."""
    till = with_card().accept_bill().declined(CHARGE, failure=STOLEN).wait(days=2)

    assert till.told.count(ENDED) == 1
    [ended] = [message for message in till.messages if message.kind == ENDED[0]]
    assert (ended.values["why"], ended.values["decline_code"]) == ("card_refused", "stolen_card")


def test_nobody_hears_of_an_end_while_something_goes_on() -> None:
    """A next try is planned, or the customer has the bill on the phone."""
    till = with_card().accept_bill().declined(CHARGE, failure=TRY_LATER).wait(hours=1)
    assert StepKind.TELL_END not in till.planned

    on_the_phone = Till().accept(*WITHOUT_CARD, Consent.AUTOMATIC_CHARGE).serve(50_00).accept_bill()
    on_the_phone.do(payment.pay_on_phone, by=ADA).awaiting(CHARGE)
    assert StepKind.TELL_END not in on_the_phone.planned


def test_a_bill_forgiven_or_paid_has_no_end_to_tell_of() -> None:
    """Nothing is owed."""
    till = with_card().accept_bill().charged().wait(days=30)

    assert ENDED not in till.told


def test_a_hold_is_captured_although_the_card_is_refused() -> None:
    """What the bank has set aside is no new try."""
    till = held(50_00, 20_00)
    till.hear(till.fact(FactKind.CARD_REFUSED, CARD.card_id, failure=STOLEN)).accept_bill().captured()

    assert (till.tab.status, till.tab.holds[0].state) == (Status.CLOSED, HoldState.CAPTURED)
    assert till.closed[till.tab.holds[0].attempt_id or ""].state == AttemptState.SUCCEEDED


def test_an_item_added_after_an_amendment_is_charged_less_what_was_agreed() -> None:
    """Ten off stay ten off, whatever is added."""
    till = with_card().do(bill.adjust, 10_00, "late").do(bill.amend)
    till.do(bill.add_items, [ItemInput(description="Wax", unit_price_minor=5_00)]).do(bill.complete)

    assert till.accept_bill().open(CHARGE).amount_minor == 45_00
