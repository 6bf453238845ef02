"""The deposit: secured, declined, renewed, lapsed and returned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.commands import booking
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent, note_rejected
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import DepositState, HoldState
from chalicelib.domain.tab.policy import LapseAction, Policy
from chalicelib.domain.tab.status import Status
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    NOON,
    OTHER_CARD,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)


def hours_from_noon(hours: float) -> object:
    return NOON + timedelta(hours=hours)


# Securing


def test_without_an_acceptance_no_hold_is_asked_for() -> None:
    """A deposit that the customer has not agreed to is wanted, and nothing more."""
    till = Till.booked(in_hours=24)

    assert till.tab.deposit.state == DepositState.WANTED
    assert till.tab.attempts == ()


def test_a_service_inside_the_hold_window_is_held_at_booking_on_the_phone() -> None:
    """Accepting a booking for tomorrow without a saved card gives the customer a hold to confirm."""
    till = Till.booked(in_hours=24).accept(*WITHOUT_CARD)

    attempt = till.open(Operation.PLACE_HOLD)

    assert attempt.is_on_session
    assert attempt.amount_minor == 20_00
    assert not attempt.saves_card


def test_a_hold_confirmed_on_the_phone_secures_the_booking() -> None:
    """Once confirmed, the deposit is held, and nothing is posted to the ledger."""
    till = Till.booked(in_hours=24).accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD, "pi_hold").hold_placed()

    assert till.tab.deposit.state == DepositState.HELD
    assert till.tab.live_hold is not None
    assert till.tab.live_hold.amount_minor == 20_00
    assert till.books == {}


def test_a_card_used_for_the_hold_is_kept_only_with_consent() -> None:
    """The card of a confirmed hold is remembered where the customer agreed to that, and forgotten where not."""
    kept = Till.booked().accept(*WITH_CARD).hold_placed(card=CARD)
    not_kept = Till.booked().accept(*WITHOUT_CARD).hold_placed(card=CARD)

    assert kept.tab.card == CARD
    assert not_kept.tab.card is None


def test_a_later_service_waits_for_a_card_and_holds_two_days_before() -> None:
    """Three weeks ahead nothing is held; the saved card is asked 48 hours before the service."""
    till = Till.booked(in_hours=21 * 24).accept(*WITH_CARD)
    assert till.tab.deposit.state == DepositState.WANTED
    assert till.tab.attempts == ()

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=CARD))
    assert till.tab.deposit.state == DepositState.CARD_SAVED
    assert till.tab.next_action_at == hours_from_noon(19 * 24)

    till.wait_until(NOON + timedelta(days=19) - timedelta(seconds=1))
    assert till.tab.attempts == ()

    till.wait(seconds=1)
    attempt = till.open(Operation.PLACE_HOLD)
    assert attempt.card_id == CARD.card_id
    assert till.tab.deposit.state == DepositState.PLACING


def test_a_card_on_file_with_consent_holds_at_once_where_the_service_is_near() -> None:
    """A returning customer's card is used without a phone when the time for the hold has come."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER)

    assert till.open(Operation.PLACE_HOLD).card_id == CARD.card_id


def test_a_card_on_file_is_never_used_without_consent() -> None:
    """The tab of a customer who did not agree to a kept card asks the phone."""
    till = Till.booked(in_hours=24).accept(*WITHOUT_CARD, customer=CUSTOMER)

    assert till.open(Operation.PLACE_HOLD).card_id is None
    assert not till.tab.may_use_card


def test_a_new_promise_accepted_while_a_hold_waits_makes_no_second_hold() -> None:
    """The hold that waits for the customer goes on; accepting other limits beside it asks for no other."""
    till = Till.booked().accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD)
    till.do(booking.propose_promise, Limits(cap_minor=300_00))

    till.accept(*WITHOUT_CARD)

    assert len(till.tab.attempts) == 1
    assert till.tab.deposit.state == DepositState.REQUIRES_ACTION


# Declines and the bank's question


def test_a_placement_declined_for_good_is_not_tried_again() -> None:
    """do_not_try_again means that: the deposit has failed, and another card is the customer's to bring."""
    till = Till.booked(in_hours=90).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=42)

    till.declined(Operation.PLACE_HOLD)

    assert till.tab.deposit.state == DepositState.FAILED
    assert till.tab.next_action_at is None


def test_a_placement_declined_for_now_is_tried_once_more_after_twelve_hours() -> None:
    """try_again_later gives the card one more chance, and only one."""
    till = Till.booked(in_hours=90).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=42)
    till.declined(Operation.PLACE_HOLD, failure=TRY_LATER)
    assert till.tab.next_action_at == hours_from_noon(54)

    till.wait(hours=12)
    assert till.open(Operation.PLACE_HOLD).card_id == CARD.card_id

    till.declined(Operation.PLACE_HOLD, "pi_no_again", TRY_LATER)
    assert till.tab.deposit.state == DepositState.FAILED
    assert till.tab.next_action_at is None


def test_the_second_try_is_dropped_where_the_owner_has_to_decide_by_then() -> None:
    """With the retry falling into the last 24 hours before the service there is none: the owner decides."""
    till = Till.booked(in_hours=30).accept(*WITH_CARD, customer=CUSTOMER)

    till.declined(Operation.PLACE_HOLD, failure=TRY_LATER)

    assert till.tab.deposit.place_at is None
    assert till.tab.next_action_at is None


def test_another_card_after_a_decline_is_held_at_once() -> None:
    """The customer saves a different card for the failed deposit, and the hold is placed with that."""
    till = Till.booked(in_hours=30).accept(*WITH_CARD, customer=CUSTOMER).declined(Operation.PLACE_HOLD)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=OTHER_CARD))

    assert till.open(Operation.PLACE_HOLD).card_id == OTHER_CARD.card_id


def test_the_banks_question_waits_until_twelve_hours_before_the_service() -> None:
    """A hold the bank asks about stays the customer's to confirm until T−12 h, and then is closed."""
    till = Till.booked(in_hours=90).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=42)

    till.awaiting(Operation.PLACE_HOLD)

    assert till.tab.deposit.state == DepositState.REQUIRES_ACTION
    assert till.tab.next_action_at == hours_from_noon(90 - 12)


def test_a_question_never_answered_fails_the_deposit() -> None:
    """Closed unanswered, the deposit has failed and the booking stands unsecured."""
    till = Till.booked(in_hours=90).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=42)
    till.awaiting(Operation.PLACE_HOLD)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.tab.deposit.state == DepositState.FAILED
    assert till.tab.status == Status.BOOKED
    assert till.tab.next_action_at is None


def test_a_hold_that_was_never_asked_of_the_phone_is_wanted_again() -> None:
    """Where the call that should have asked never arrived, the deposit waits for the customer as before."""
    till = Till.booked(in_hours=24).accept(*WITHOUT_CARD)

    till.end(note_absent, Operation.PLACE_HOLD)

    assert till.tab.deposit.state == DepositState.WANTED
    assert till.allows(Action.ACCEPT_PROMISE, ADA)
    assert till.tab.next_action_at == till.tab.deposit.lapses_at


def test_a_refused_placement_flags_the_tab_and_is_made_again() -> None:
    """A call the gateway calls wrong is our bug: a person looks, no other card is asked for, and it is made again."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER)

    till.end(note_rejected, Operation.PLACE_HOLD, Failure(code="parameter_invalid"))

    assert till.tab.flags
    assert till.tab.deposit.state == DepositState.CARD_SAVED
    assert (MessageKind.DEPOSIT_FAILED, Recipient.CUSTOMER) not in till.told
    assert till.told[-1] == (MessageKind.CALL_REFUSED, Recipient.OWNER)
    till.wait(hours=6).hold_placed()
    assert till.tab.deposit.state == DepositState.HELD
    assert till.tab.flags == (), "the flag goes when the cause does"


def test_a_card_declined_on_the_phone_leaves_the_hold_waiting() -> None:
    """On the phone the customer takes another card: the payment stays theirs."""
    till = Till.booked().accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD, "pi_1")

    till.declined(Operation.PLACE_HOLD, "pi_1")

    assert till.tab.deposit.state == DepositState.REQUIRES_ACTION
    assert till.open(Operation.PLACE_HOLD).failure is not None


def test_a_card_saved_while_the_phone_was_asked_is_used_when_the_phone_was_not_answered() -> None:
    """News that the phone is being asked does not make us forget a card that was saved meanwhile."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD)
    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=CARD))
    till.awaiting(Operation.PLACE_HOLD)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.open(Operation.PLACE_HOLD).card_id == CARD.card_id


# Lapse


def test_a_deposit_nobody_confirms_lapses_and_the_booking_is_kept() -> None:
    """After the policy's time the booking goes on unsecured."""
    till = Till.booked(in_hours=72).accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD)

    till.wait(hours=24)

    assert till.tab.deposit.state == DepositState.LAPSED
    assert till.tab.status == Status.BOOKED
    assert till.tab.next_action_at == till.now, "the payment that waits is closed next"


def test_a_deposit_nobody_confirms_cancels_the_booking_by_policy() -> None:
    """Where the policy says so, the booking is called off, free of charge."""
    till = Till.booked(in_hours=72, policy=Policy(deposit_lapse_action=LapseAction.CANCEL))

    till.wait(hours=24)

    assert till.tab.status == Status.CLOSED
    assert till.tab.fee is None
    assert till.tab.next_action_at is None


def test_who_has_just_accepted_gets_half_an_hour_to_confirm() -> None:
    """Accepting a minute before the lapse leaves the time of a payment, not a minute."""
    till = Till.booked(in_hours=72).wait(hours=23, minutes=59)

    till.accept(*WITHOUT_CARD)

    assert till.tab.deposit.lapses_at == till.now + timedelta(minutes=30)


def test_a_lapsed_deposit_is_secured_by_accepting_again() -> None:
    """The customer who comes back after the lapse confirms a new hold."""
    till = Till.booked(in_hours=72).accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD).wait(hours=24)
    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    till.accept(*WITHOUT_CARD)

    assert till.tab.deposit.state == DepositState.WANTED
    assert till.open(Operation.PLACE_HOLD).is_on_session


def test_a_lapsed_deposit_is_not_revived_by_late_news_that_the_phone_is_asked() -> None:
    """The lapse stands: the payment is closed, however late the gateway's answer was."""
    till = Till.booked(in_hours=72).accept(*WITHOUT_CARD).wait(hours=24)

    till.awaiting(Operation.PLACE_HOLD)

    assert till.tab.deposit.state == DepositState.LAPSED
    assert till.tab.next_action_at == till.now


# Renewal and expiry


def renewing(in_hours: float = 150, policy: Policy | None = None) -> Till:
    """A booking with a hold, at the instant when the hold clock has asked for its successor."""
    policy = policy or Policy(hold_ahead_s=200 * 3600, hold_window_s=200 * 3600)
    till = Till.booked(in_hours=in_hours, policy=policy).accept(*WITH_CARD, customer=CUSTOMER)
    till.hold_placed("pi_old", days=4.75)
    return till.wait_until(NOON + timedelta(days=3.75))


def test_a_hold_about_to_expire_before_the_service_is_renewed_before_it_is_released() -> None:
    """The new hold comes first; only when it stands is the old one given back."""
    till = renewing()
    assert [attempt.operation for attempt in till.tab.attempts] == [Operation.PLACE_HOLD]

    till.hold_placed("pi_new", days=4.75)
    assert till.open(Operation.RELEASE).payment_id == "pi_old"

    till.released()
    assert [hold.state for hold in till.tab.holds] == [HoldState.RELEASED, HoldState.LIVE]
    assert till.tab.deposit.state == DepositState.HELD


def test_the_hold_clock_leaves_a_day_and_no_more() -> None:
    """Nothing happens a second before the margin."""
    policy = Policy(hold_ahead_s=200 * 3600, hold_window_s=200 * 3600)
    till = Till.booked(in_hours=150, policy=policy).accept(*WITH_CARD, customer=CUSTOMER)
    till.hold_placed("pi_old", days=4.75)

    assert till.tab.next_action_at == hours_from_noon(3.75 * 24)
    till.wait_until(NOON + timedelta(days=3.75) - timedelta(seconds=1))

    assert till.tab.attempts == ()


def test_a_renewal_that_is_declined_leaves_the_old_hold_standing() -> None:
    """The deposit is held as long as the old hold is, and the clock does not ask again."""
    till = renewing().declined(Operation.PLACE_HOLD)

    assert till.tab.deposit.state == DepositState.HELD
    assert till.tab.live_hold is not None
    assert till.tab.next_action_at is None


def test_a_renewal_whose_question_is_not_answered_leaves_the_old_hold_standing() -> None:
    """Closed unanswered, the deposit is what it is: held by the old hold."""
    till = renewing().awaiting(Operation.PLACE_HOLD)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.tab.deposit.state == DepositState.HELD


def test_a_short_hold_is_renewed_at_half_its_life_not_at_once_for_ever() -> None:
    """A bank that holds for less than the margin does not make us place hold after hold."""
    till = Till.booked(in_hours=48).accept(*WITH_CARD, customer=CUSTOMER).hold_placed("pi_short", days=0.5)

    assert till.tab.attempts == ()
    assert till.tab.next_action_at == hours_from_noon(6)


def test_a_forgotten_booking_does_not_hold_money_for_ever() -> None:
    """Thirty days after the service was to begin the hold is left to expire, and both hear of it."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER).hold_placed("pi_0", days=4.75)
    renewals = 0
    while till.tab.next_action_at is not None:
        till.wait_until(till.tab.next_action_at)
        if any(attempt.operation == Operation.PLACE_HOLD for attempt in till.tab.attempts):
            renewals += 1
            till.hold_placed(f"pi_{renewals}", days=4.75).released()
        assert till.now < NOON + timedelta(days=60), "the hold is renewed for ever"

    assert renewals == 8
    assert NOON + timedelta(days=31) <= till.now < NOON + timedelta(days=31 + 4)
    assert till.told == [(MessageKind.HOLD_ENDS, Recipient.CUSTOMER), (MessageKind.HOLD_ENDS, Recipient.OWNER)]
    till.hear(till.fact(FactKind.PAYMENT_EXPIRED, f"pi_{renewals}"))
    assert till.tab.deposit.state == DepositState.EXPIRED
    assert till.tab.next_action_at is None


def test_without_a_card_an_expiring_hold_is_left_to_expire() -> None:
    """A hold of a customer who did not leave a card can't be renewed without them, and the books say so once."""
    till = Till.booked(in_hours=90 * 2, policy=Policy(hold_window_s=200 * 3600)).accept(*WITHOUT_CARD)
    till.hold_placed("pi_hold", days=7).wait(days=6)
    assert till.kinds.count("hold_expiring") == 1
    assert till.tab.next_action_at is None

    till.hear(till.fact(FactKind.PAYMENT_EXPIRED, "pi_hold"))

    assert till.tab.deposit.state == DepositState.EXPIRED
    assert till.allows(Action.ACCEPT_PROMISE, ADA)


@pytest.mark.parametrize("end", ["cancel", "lapse"])
def test_a_hold_confirmed_on_a_finished_tab_is_released(end: str) -> None:
    """The customer confirms a moment too late: the hold goes back, and the tab closes."""
    policy = Policy(deposit_lapse_action=LapseAction.CANCEL)
    till = Till.booked(in_hours=72, policy=policy).accept(*WITHOUT_CARD).awaiting(Operation.PLACE_HOLD)
    if end == "cancel":
        till.do(booking.cancel, "closed today")
    else:
        till.wait(hours=24)
    assert till.tab.status == Status.CANCELED

    till.hold_placed()
    assert till.open(Operation.RELEASE).payment_id == "pi_hold"

    till.released()
    assert till.tab.status == Status.CLOSED
    assert till.tab.paid_minor == 0


def test_a_hold_that_turns_up_after_closing_is_released_and_stays_in_the_agenda_meanwhile() -> None:
    """An abandoned placement whose effect comes to light later holds nobody's money for long."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER)
    attempt = till.open(Operation.PLACE_HOLD)
    till.do(booking.cancel, "ill").end(note_absent, Operation.PLACE_HOLD)
    assert till.tab.status == Status.CLOSED

    till.hear(
        till.fact(
            FactKind.HOLD_PLACED,
            "pi_late",
            20_00,
            attempt_id=attempt.attempt_id,
            capture_before=till.now + timedelta(days=4),
        )
    )

    assert till.open(Operation.RELEASE).payment_id == "pi_late"
    assert till.tab.next_action_at == till.now + timedelta(minutes=2)


def test_a_walk_ins_deposit_is_secured_too() -> None:
    """A tab that is open already holds its deposit the moment it is accepted."""
    till = Till(deposit_minor=20_00).accept(*WITH_CARD, customer=CUSTOMER)

    assert till.open(Operation.PLACE_HOLD).card_id == CARD.card_id
