"""Stories of one tab with checkpoints; `timelines.txt` has the expected text at each checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from msgspec.structs import replace

from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands import bill, booking, links, payment, tiers
from chalicelib.domain.tab.commands.answering import send_evidence
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent, note_rejected, note_unknown
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.policy import LapseAction, Policy, Resolution
from chalicelib.domain.tab.promise import AcceptanceMethod, Consent
from chalicelib.domain.trust.tiers import Tier
from tests.unit.till import (
    ADA,
    ANSWER,
    CARD,
    CUSTOMER,
    EVERYTHING,
    OTHER_CARD,
    OWNER,
    PACK,
    STAFF,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
    acceptance,
)

Story = Iterator[Till]
STORIES: list[Callable[[], Story]] = []
REFUSED = Failure(code="resource_missing")


def story(told: Callable[[], Story]) -> Callable[[], Story]:
    STORIES.append(told)
    return told


def held(**given: object) -> Till:
    return Till(deposit_minor=20_00, **given).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()  # type: ignore[arg-type]


def phone(price: int = 50_00) -> Till:
    return Till().accept(*WITHOUT_CARD).serve(price).do(payment.pay_on_phone, by=ADA)


# The good days


@story
def a_taxed_bill_from_the_hold_and_the_card() -> Story:
    till = Till(deposit_minor=20_00)
    yield till
    yield till.accept(*EVERYTHING, customer=CUSTOMER)
    yield till.hold_placed()
    cut = ItemInput(description="Cut", unit_price_minor=20_00, quantity=2, tax_basis_points=20_00)
    till.do(bill.add_items, [cut, ItemInput(description="Wax", unit_price_minor=5_00)])
    till.do(bill.void_item, till.tab.items[1].item_id)
    yield till.do(bill.complete)
    till.now += timedelta(hours=1)
    yield till.do(bill.accept_bill, 3_00, Feedback(rating=5, comment="lovely"), by=ADA)
    yield till.captured()
    yield till.charged()
    yield till.do(payment.tip, 2_00, by=ADA)
    yield till.awaiting(Operation.CHARGE, "pi_tip").charged("pi_tip")


@story
def paid_on_the_phone() -> Story:
    till = phone()
    yield till
    yield till.awaiting(Operation.CHARGE)
    yield till.charged("pi_asks")


@story
def the_phone_saves_the_card() -> Story:
    till = Till().accept(*WITH_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)
    yield till
    attempt = till.open(Operation.CHARGE)
    yield till.hear(till.fact(FactKind.CHARGED, "pi_asks", 50_00, attempt_id=attempt.attempt_id, card=CARD))


@story
def cash_in_two_parts() -> Story:
    till = Till().serve(50_00).do(payment.take_cash, 20_00)
    yield till
    yield till.do(payment.take_cash, 30_00)


@story
def terms_that_change() -> Story:
    till = Till(limits=("no bleach",)).do(booking.propose_promise, Limits(cap_minor=90_00))
    yield till.accept(*WITHOUT_CARD)
    yield till.do(booking.propose_promise, Limits(expected_outcome="Curls", limits=("short",), cap_minor=150_00))
    yield till.accept(*WITH_CARD, customer=CUSTOMER)
    till.serve(50_00).do(bill.accept_bill, 5_00, by=ADA)
    yield till


@story
def a_bill_amended() -> Story:
    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    yield till.do(bill.amend)
    till.now += timedelta(hours=2)
    yield till.do(bill.void_item, till.tab.items[0].item_id).serve(40_00)


@story
def a_window_that_ends_and_a_card_that_is_charged() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    yield till
    yield till.wait(days=1)
    yield till.charged()


@story
def a_window_that_ends_without_a_card() -> Story:
    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    yield till.wait(days=1)
    yield till.wait(days=1)
    yield till.wait(days=8)
    yield till.do(bill.write_off, "moved away", by=OWNER)
    yield till.do(payment.pay_on_phone, by=ADA).charged()


# Deposits


@story
def a_booking_with_a_saved_card() -> Story:
    till = Till.booked(in_hours=240).accept(*EVERYTHING, customer=CUSTOMER)
    yield till
    yield till.wait(hours=192)
    yield till.hold_placed("pi_hold", days=5)
    yield till.wait(hours=48).do(booking.check_in)


@story
def a_booking_held_on_the_phone() -> Story:
    till = Till.booked(in_hours=48).accept(*WITH_CARD)
    yield till
    yield till.awaiting(Operation.PLACE_HOLD, "pi_hold")
    yield till.hold_placed(card=CARD)


@story
def a_deposit_nobody_confirms() -> Story:
    till = Till.booked(in_hours=72, policy=Policy(deposit_lapse_action=LapseAction.CANCEL))
    yield till
    yield till.wait(days=1)


@story
def a_deposit_that_lapses_and_is_secured_anew() -> Story:
    till = Till.booked(in_hours=72).wait(days=1)
    yield till
    yield till.accept(*WITHOUT_CARD)


@story
def a_placement_declined_twice() -> Story:
    till = Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=192)
    yield till.declined(Operation.PLACE_HOLD, failure=TRY_LATER)
    yield till.wait(hours=12)
    yield till.declined(Operation.PLACE_HOLD, "pi_no_2", failure=TRY_LATER)


@story
def a_placement_that_needs_the_customer() -> Story:
    till = Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=192)
    yield till.awaiting(Operation.PLACE_HOLD)
    attempt = till.open(Operation.PLACE_HOLD)
    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks", attempt_id=attempt.attempt_id))
    yield till


@story
def a_placement_that_never_arrived() -> Story:
    till = Till.booked(in_hours=48).accept(*WITHOUT_CARD).end(note_absent, Operation.PLACE_HOLD)
    yield till
    till = Till.booked(in_hours=48).accept(*WITH_CARD, customer=CUSTOMER).end(note_absent, Operation.PLACE_HOLD)
    yield till


@story
def a_card_removed_from_a_booking() -> Story:
    till = Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER)
    yield till.hear(till.fact(FactKind.CARD_UPDATED, CARD.card_id, card=replace(CARD, brand="mc", last4="9999")))
    yield till.hear(till.fact(FactKind.CARD_REMOVED, CARD.card_id))
    yield till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=OTHER_CARD))


# Holds


@story
def a_hold_renewed() -> Story:
    till = held().wait(days=6)
    yield till
    yield till.hold_placed("pi_second")
    yield till.released()


@story
def a_hold_that_could_not_be_renewed() -> Story:
    till = held().wait(days=6).declined(Operation.PLACE_HOLD)
    yield till
    yield till.wait(days=1).hear(till.fact(FactKind.PAYMENT_EXPIRED, "pi_hold"))


@story
def a_hold_captured_before_it_expires() -> Story:
    till = held(policy=Policy(review_window_s=9 * 86400)).serve(50_00)
    yield till.wait(days=6)
    yield till.captured()


@story
def a_hold_about_to_expire_without_consent() -> Story:
    till = Till(deposit_minor=20_00, policy=Policy(review_window_s=9 * 86400)).accept(*WITH_CARD, customer=CUSTOMER)
    yield till.hold_placed().serve(50_00).wait(days=6)


@story
def a_hold_that_was_gone_when_captured() -> Story:
    till = held().serve(15_00).accept_bill()
    yield till.hear(till.fact(FactKind.PAYMENT_EXPIRED, "pi_hold"))


@story
def a_release_that_came_too_late() -> Story:
    till = held().do(booking.cancel, "rain")
    yield till
    yield till.hear(till.fact(FactKind.HOLD_CAPTURED, "pi_hold", 20_00))


@story
def a_hold_captured_before_it_was_heard_of() -> Story:
    till = Till(deposit_minor=20_00).accept(*WITHOUT_CARD)
    attempt = till.open(Operation.PLACE_HOLD)
    yield till.hear(till.fact(FactKind.HOLD_CAPTURED, "pi_hold", 20_00, attempt_id=attempt.attempt_id))


# Cancellations, no-shows


@story
def a_no_show_taken_from_the_hold_and_waived() -> Story:
    till = Till.booked().accept(*EVERYTHING, customer=CUSTOMER).hold_placed().wait(hours=24.5)
    yield till.do(booking.mark_no_show)
    yield till.wait(days=1)
    yield till.captured().charged()
    yield till.do(bill.waive, "traffic", by=OWNER)
    yield till.refunded("re_1").refunded("re_2")


@story
def a_no_show_that_was_a_mistake() -> Story:
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=24.5).do(booking.mark_no_show)
    yield till
    yield till.do(booking.check_in)


@story
def a_no_show_taken_back_after_its_fee_was_taken() -> Story:
    till = Till.booked(deposit_minor=40_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().wait(hours=24.5)
    till.do(booking.mark_no_show).wait(days=1).captured()
    yield till
    yield till.do(booking.check_in)
    yield till.serve(50_00)


@story
def a_fee_contested_and_lowered() -> Story:
    till = Till.booked().accept(*EVERYTHING, customer=CUSTOMER).hold_placed().wait(hours=24.5)
    yield till.do(booking.mark_no_show)
    yield till.do(bill.contest, "the door was locked", None, by=ADA)
    yield till.do(bill.resolve, Resolution.ADJUST, 15_00, "half an hour late")
    yield till.wait(days=1)


@story
def a_fee_asked_for_on_the_phone() -> Story:
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=24.5).do(booking.mark_no_show)
    till.do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)
    yield till


@story
def a_fee_given_back_in_part() -> Story:
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=24.5).do(booking.mark_no_show)
    till.do(payment.pay_on_phone, by=ADA).charged()
    yield till.do(payment.refund, 10_00, "half of it was our fault", by=OWNER)
    yield till.refunded()


@story
def canceled_late_and_in_time() -> Story:
    late = Till.booked(in_hours=24).accept(*WITHOUT_CARD).wait(minutes=61)
    yield late.do(booking.cancel, "ill", by=ADA)
    yield Till.booked(in_hours=90).accept(*WITHOUT_CARD).do(booking.cancel, "ill", by=ADA)
    yield Till.booked(in_hours=24).accept(*WITHOUT_CARD).do(booking.cancel, "we are ill")


# Contests, adjusting, giving back


@story
def contested_adjusted_and_paid() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER)
    till.do(bill.add_items, [ItemInput(description="Cut", unit_price_minor=60_00, tax_basis_points=20_00)])
    till.do(bill.complete)
    yield till.do(bill.contest, "the fringe is crooked", 25_00, by=ADA)
    till.now += timedelta(hours=3)
    yield till.do(bill.resolve, Resolution.ADJUST, 12_00, "it was", by=OWNER)
    yield till.wait(days=1)


@story
def contested_and_forgotten() -> Story:
    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    till.do(bill.contest, "cold", None, by=ADA)
    yield till.wait(days=7)
    yield till.wait(days=2)


@story
def contested_and_upheld() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(bill.contest, "cold", None, by=ADA)
    yield till.wait(days=7)
    yield till.do(bill.resolve, Resolution.UPHOLD, None, "it was warm")


@story
def contested_while_the_hold_expires() -> Story:
    till = held().serve(50_00).do(bill.contest, "cold", 40_00, by=ADA)
    yield till.wait(days=6)


@story
def adjusted_after_it_was_paid() -> Story:
    till = phone().charged()
    yield till.do(bill.adjust, 10_00, "sorry")
    pending = till.open(Operation.REFUND)
    fact = till.fact(FactKind.REFUND_PENDING, "re_1", 10_00, payment_id="pi_charge", attempt_id=pending.attempt_id)
    yield till.hear(fact)
    yield till.hear(till.fact(FactKind.REFUNDED, "re_1", 10_00, payment_id="pi_charge"))
    yield till.hear(till.fact(FactKind.REFUND_FAILED, "re_1", 10_00, payment_id="pi_charge", failure=REFUSED))


@story
def refunded_with_its_tip_and_its_cash() -> Story:
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.take_cash, 10_00)
    till.do(bill.accept_bill, 0, by=ADA).do(payment.pay_on_phone, 5_00, by=ADA).charged()
    yield till
    yield till.do(payment.refund, 52_00, "burnt", by=OWNER)
    yield till.refunded()


@story
def given_back_in_the_dashboard() -> Story:
    till = phone().charged()
    yield till.hear(till.fact(FactKind.REFUNDED, "re_theirs", 8_00, payment_id="pi_charge"))
    yield till.hear(till.fact(FactKind.REFUNDED, "re_stray", 8_00, payment_id="pi_stranger"))


@story
def paid_twice() -> Story:
    till = phone().charged()
    yield till.hear(till.fact(FactKind.CHARGED, "pi_twice", 50_00))


@story
def a_refund_the_gateway_refuses() -> Story:
    till = phone().charged().do(payment.refund, None, "cold")
    yield till.end(note_rejected, Operation.REFUND, REFUSED)


# Cards that are declined, attempts without an answer


@story
def a_card_declined_tried_again_and_given_up() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    yield till.declined(Operation.CHARGE, failure=TRY_LATER)
    yield till.wait(days=2)
    yield till.declined(Operation.CHARGE, "pi_no_2")


@story
def a_charge_that_needs_the_customer() -> Story:
    till = held().serve(50_00).accept_bill().captured().awaiting(Operation.CHARGE)
    yield till
    attempt = till.open(Operation.CHARGE)
    declined = till.fact(FactKind.DECLINED, "pi_asks", attempt_id=attempt.attempt_id, failure=TRY_LATER)
    yield till.hear(declined)
    yield till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks", attempt_id=attempt.attempt_id))


@story
def a_phone_payment_declined() -> Story:
    till = phone()
    yield till.declined(Operation.CHARGE, "pi_asks")
    yield till.awaiting(Operation.CHARGE)


@story
def an_outcome_nobody_knows() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    yield till.end(note_unknown, Operation.CHARGE)
    for _ in range(5):
        till.end(note_unknown, Operation.CHARGE)
    yield till
    yield till.hear(till.fact(FactKind.PROCESSING, "pi_slow", attempt_id=till.open(Operation.CHARGE).attempt_id))
    yield till.end(note_absent, Operation.CHARGE)


@story
def a_charge_the_gateway_refuses() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    yield till.end(note_rejected, Operation.CHARGE, REFUSED)


# Prices by outcome


def by_outcome(silence: int, *consents: Consent) -> Till:
    steps = tuple(Tier(percent=percent, measure=f"so well: {percent}") for percent in (100, 80, 50))
    return Till(tiers=steps, silence_percent=silence).accept(*consents, customer=CUSTOMER).serve(50_00)


@story
def an_outcome_chosen_and_paid() -> Story:
    till = by_outcome(50, *EVERYTHING)
    yield till
    yield till.do(tiers.choose_tier, 80, by=ADA)
    yield till.accept_bill(4_00).charged()


@story
def silence_and_the_outcome_contested_and_upheld() -> Story:
    till = by_outcome(80, *WITHOUT_CARD).wait(days=1)
    yield till
    yield till.do(bill.contest, "it was late", None, 50, by=ADA)
    yield till.do(payment.take_cash, 25_00)
    yield till.do(bill.resolve, Resolution.UPHOLD, None, "it was in time", by=OWNER)


@story
def silence_and_the_outcome_contested_and_unanswered() -> Story:
    till = by_outcome(80, *WITHOUT_CARD).wait(days=1).do(bill.contest, "it was late", None, 50, by=ADA)
    yield till.wait(days=8)
    yield till.wait(days=2)


# Disputes


@story
def a_dispute_lost() -> Story:
    till = phone().charged()
    yield till.disputed(FactKind.DISPUTE_OPENED)
    yield till.disputed(FactKind.DISPUTE_WITHDRAWN)
    yield till.disputed(FactKind.DISPUTE_LOST)
    yield till.do(bill.adjust, 20_00, "the bank was right")


@story
def a_dispute_answered() -> Story:
    till = phone().charged()
    by = till.now + timedelta(days=9)
    asked = till.fact(FactKind.DISPUTE_OPENED, "dp_1", 50_00, payment_id="pi_charge", reason="general", respond_by=by)
    till.hear(asked).wait(days=8).do(send_evidence, Operation.SUBMIT_EVIDENCE, PACK, PACK.sha256, ANSWER, by=OWNER)
    yield till.end(note_absent, Operation.SUBMIT_EVIDENCE)
    till.do(send_evidence, Operation.STAGE_EVIDENCE, PACK, PACK.sha256, ANSWER, by=OWNER)
    attempt_id = till.open(Operation.STAGE_EVIDENCE).attempt_id
    till.hear(till.fact(FactKind.EVIDENCE_STAGED, "dp_1", payment_id="pi_charge", attempt_id=attempt_id))
    yield till
    till.do(send_evidence, Operation.SUBMIT_EVIDENCE, PACK, PACK.sha256, ANSWER, by=OWNER)
    attempt_id = till.open(Operation.SUBMIT_EVIDENCE).attempt_id
    till.hear(till.fact(FactKind.EVIDENCE_SUBMITTED, "dp_1", payment_id="pi_charge", attempt_id=attempt_id))
    yield till.disputed(FactKind.DISPUTE_WON)


@story
def a_dispute_won() -> Story:
    till = phone().charged().disputed(FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)
    yield till.disputed(FactKind.DISPUTE_WON)
    yield till.disputed(FactKind.DISPUTE_REINSTATED)
    yield till.hear(till.fact(FactKind.DISPUTE_OPENED, "dp_2", 9_00, payment_id="pi_stranger"))


@story
def staff_record_the_word_of_a_customer() -> Story:
    till = Till(deposit_minor=20_00)
    word = acceptance(till.tab, *WITHOUT_CARD, method=AcceptanceMethod.IN_PERSON)
    yield till.do(booking.accept_promise, word, None, by=STAFF)


# Charged when, with whom, and who hears of the end


@story
def a_service_done_before_its_time() -> Story:
    till = Till.booked(in_hours=240, deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER).do(booking.check_in)
    yield till.serve(50_00)
    yield till.wait_until(till.tab.starts_at or till.now)


@story
def a_card_reported_stolen_and_another_one() -> Story:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill(5_00)
    yield till
    yield till.declined(Operation.CHARGE, failure=Failure(code="card_declined", decline_code="stolen_card"))
    yield till.hear(till.fact(FactKind.CARD_SAVED, "seti_2", card=OTHER_CARD)).charged()


@story
def a_bill_that_nothing_is_left_to_collect_by() -> Story:
    till = Till().accept(*EVERYTHING).serve(50_00).wait(days=1)
    yield till.wait(minutes=30)
    yield till.wait(days=1).wait(days=2).wait(days=4)


@story
def a_bill_lowered_and_amended() -> Story:
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(bill.contest, "too short", None, by=ADA)
    yield till.do(bill.resolve, Resolution.ADJUST, 10_00, "so").do(bill.amend)
    yield till.do(bill.complete)


@story
def an_expired_link_asks_for_a_new_one() -> Story:
    till = Till()
    till.do(links.make_link, "cd" * 32, Scope.VIEW, till.now + timedelta(hours=1)).wait(hours=2)
    yield till.do(links.want_link, till.tab.links[0].link_id)
