"""Follow-up of unpaid bills: reminders once each and never at night, retries as the bank advises, and the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import instants
from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.followup import MAXIMUM_TRIES, outside_quiet_hours
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Outcome
from tests.unit.till import (
    ADA,
    CUSTOMER,
    DECLINED,
    EVERYTHING,
    NOON,
    OWNER,
    STAFF,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)

A = Account
REMINDER = (MessageKind.REMINDER, Recipient.CUSTOMER)
RECEIPT = (MessageKind.RECEIPT, Recipient.CUSTOMER)
NO_MONEY = Failure(code="card_declined", decline_code="insufficient_funds")
DAY = timedelta(days=1)


def unpaid(**given: object) -> Till:
    """A bill of 50, accepted at noon; no card."""
    return Till(**given).accept(*WITHOUT_CARD).serve(50_00).accept_bill()  # type: ignore[arg-type]


def declined(failure: Failure = TRY_LATER, **given: object) -> Till:
    """A bill of 50 with every consent; its charge was declined at noon."""
    till = Till(**given).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()  # type: ignore[arg-type]
    return till.declined(Operation.CHARGE, failure=failure)


def test_what_is_charged_at_once_is_not_followed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of a follow-up are moved out of the quiet hours, and a fresh function would look up time zones for that."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    asked: list[object] = []
    monkeypatch.setattr("chalicelib.domain.tab.followup.outside_quiet_hours", lambda at, policy: asked.append(at) or at)

    till.accept_bill()

    assert till.tab.taking_attempt is not None
    assert asked == []


def reminded_at(till: Till) -> list[datetime]:
    return [message.at for message in till.messages if message.kind == MessageKind.REMINDER]


# Reminders


def test_each_reminder_is_sent_once_at_its_time() -> None:
    """One, three and seven days after the bill fell due, and never again."""
    till = unpaid()

    for _ in range(24 * 10):
        till.wait(hours=1)

    assert reminded_at(till) == [NOON + DAY, NOON + 3 * DAY, NOON + 7 * DAY]
    assert till.kinds.count("reminded") == 3
    assert till.tab.next_action_at is None


def test_a_reminder_says_where_what_is_left_can_be_paid() -> None:
    """How much that is, is read when it is sent."""
    till = unpaid().do(payment.take_cash, 20_00).wait(days=1)

    assert till.tab.balance_minor == 30_00
    assert till.messages[-1].values == {"number": 1, "payable": "phone"}


def test_a_reminder_of_a_residue_does_not_send_people_to_the_phone() -> None:
    """A card can't be charged one cent: it is paid at the counter, or waived."""
    till = Till(deposit_minor=20_00).accept(*WITHOUT_CARD).hold_placed().serve(20_01).accept_bill().captured()

    till.wait(days=1)

    assert not till.allows(Action.PAY_ON_PHONE, ADA)
    assert till.messages[-1].values["payable"] == "counter"


def test_the_mark_is_written_with_the_reminder() -> None:
    """In one change, so no sweep records a second one."""
    till = unpaid()
    till.now += DAY

    change = due_steps.conclude(till.draft())

    assert change is not None
    assert change.tab.followup.reminders_sent == [entry.kind for entry in change.entries].count("reminded") == 1


def test_overdue_reminders_are_sent_as_one() -> None:
    """A week in which nothing ran: one message, not three at once."""
    till = unpaid().wait(days=8)

    assert reminded_at(till) == [NOON + 8 * DAY]
    assert till.tab.followup.reminders_sent == 3
    assert till.tab.next_action_at is None


def test_two_reminders_of_one_night_are_one() -> None:
    """Both would go out at eight."""
    policy = Policy(reminder_offsets_s=(10 * 3600, 14 * 3600))

    till = unpaid(policy=policy)
    for _ in range(30):
        till.wait(hours=1)

    assert reminded_at(till) == [NOON + timedelta(hours=20)]


def test_no_reminder_in_the_quiet_hours_of_the_policys_time_zone() -> None:
    """The owner's night, not the server's."""
    policy = Policy(reminder_offsets_s=(10 * 3600,), time_zone="America/New_York", quiet_from_hour=16)

    till = unpaid(policy=policy)

    # 22:00 UTC is 17:00 in New York: quiet until eight there, which is 13:00 UTC.
    assert till.planned == {StepKind.REMIND: NOON + timedelta(hours=25)}


def test_a_reminder_that_comes_late_into_the_night_waits_for_the_morning() -> None:
    """Due at ten to nine, and the schedule ran at ten past: eight in the morning."""
    till = unpaid(policy=Policy(reminder_offsets_s=(8 * 3600 + 50 * 60,)))

    till.wait(hours=9, minutes=10)
    assert reminded_at(till) == []
    assert till.planned == {StepKind.REMIND: NOON + timedelta(hours=20)}

    till.wait_until(NOON + timedelta(hours=20))
    assert reminded_at(till) == [NOON + timedelta(hours=20)]


def test_what_a_dispute_held_back_is_not_said_at_night() -> None:
    """It was decided at two in the morning: neither reminder nor charge before eight."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00).accept_bill()
    till.captured().declined(Operation.CHARGE, failure=TRY_LATER)
    till.disputed(FactKind.DISPUTE_OPENED, payment_id="pi_hold", amount_minor=20_00)
    till.wait_until(NOON + 5 * DAY + timedelta(hours=14))

    till.disputed(FactKind.DISPUTE_WON, payment_id="pi_hold", amount_minor=20_00)

    morning = NOON + 5 * DAY + timedelta(hours=20)
    assert till.tab.attempts == ()
    assert till.planned == {StepKind.REMIND: morning, StepKind.RETRY_CHARGE: morning}
    assert till.wait_until(morning).open(Operation.CHARGE).amount_minor == 30_00


@pytest.mark.parametrize(
    ("at", "zone", "begin", "end", "expected"),
    [
        ("2026-03-02T12:00", "UTC", 21, 8, "2026-03-02T12:00"),
        ("2026-03-02T20:59", "UTC", 21, 8, "2026-03-02T20:59"),
        ("2026-03-02T21:00", "UTC", 21, 8, "2026-03-03T08:00"),
        ("2026-03-03T07:59", "UTC", 21, 8, "2026-03-03T08:00"),
        ("2026-03-03T08:00", "UTC", 21, 8, "2026-03-03T08:00"),
        ("2026-03-02T13:30", "UTC", 13, 15, "2026-03-02T15:00"),
        ("2026-03-02T23:30", "UTC", 9, 9, "2026-03-02T23:30"),
        # Tokyo is nine hours ahead: 21:00 there is noon here.
        ("2026-03-02T12:00", "Asia/Tokyo", 21, 8, "2026-03-02T23:00"),
        # The night in which Vienna's clocks go forward has an hour less.
        ("2026-03-28T22:00", "Europe/Vienna", 21, 8, "2026-03-29T06:00"),
        ("2026-10-24T22:00", "Europe/Vienna", 21, 8, "2026-10-25T07:00"),
    ],
)
def test_quiet_hours_end_in_the_morning(at: str, zone: str, begin: int, end: int, expected: str) -> None:
    """By the clock on the wall there, whatever the date does to it."""
    policy = Policy(time_zone=zone, quiet_from_hour=begin, quiet_until_hour=end)
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert outside_quiet_hours(instant, policy) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(
    minutes=st.integers(0, 366 * 24 * 60),
    zone=st.sampled_from(["UTC", "Europe/Lisbon", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]),
    begin=st.integers(0, 23),
    end=st.integers(0, 23),
)
def test_nobody_is_ever_spoken_to_in_quiet_hours(minutes: int, zone: str, begin: int, end: int) -> None:
    """Whatever zone, hours and day: never earlier, never by more than a day, never inside; and settled at once."""
    policy = Policy(time_zone=zone, quiet_from_hour=begin, quiet_until_hour=end)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

    then = outside_quiet_hours(at, policy)

    assert timedelta(0) <= then - at < timedelta(hours=25)
    hour = then.astimezone(ZoneInfo(zone)).hour
    if begin != end:
        assert not (begin <= hour < end if begin < end else hour >= begin or hour < end)
    assert outside_quiet_hours(then, policy) == then


def test_payment_ends_the_reminders() -> None:
    """Paid after the first: there is no second."""
    till = unpaid().wait(days=1).do(payment.take_cash, 50_00)

    till.wait(days=30)

    assert till.told.count(REMINDER) == 1
    assert StepKind.REMIND not in till.planned


def test_a_write_off_ends_the_reminders() -> None:
    """What was given up is not asked for."""
    till = unpaid().do(bill.write_off, "moved away", by=OWNER).wait(days=30)

    assert REMINDER not in till.told


def test_a_contest_pauses_the_reminders() -> None:
    """Who says that something is wrong is answered first."""
    till = unpaid().do(bill.contest, "too short", None, by=ADA).wait(days=6)

    assert REMINDER not in till.told


def test_a_fee_is_followed_up_like_a_bill() -> None:
    """A no-show that nobody paid."""
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)
    assert REMINDER not in till.wait(days=1).told

    till.wait(days=1)

    assert till.told[-2:] == [REMINDER, (MessageKind.COLLECTION_ENDED, Recipient.OWNER)]
    assert till.tab.balance_minor == 30_00
    assert till.messages[-1].values["why"] == "no_card"


def test_nobody_is_reminded_of_a_bill_under_review() -> None:
    """Nothing is owed yet that could be late."""
    till = Till(policy=Policy(review_window_s=10 * 86400)).serve(50_00).wait(days=9)

    assert REMINDER not in till.told


# Retries by the bank's advice


@pytest.mark.parametrize(
    ("advice", "decline_code", "again"),
    [
        ("try_again_later", "do_not_honor", True),
        ("try_again_later", None, True),
        ("try_again_later", "insufficient_funds", True),
        ("do_not_try_again", "insufficient_funds", False),
        ("do_not_try_again", "do_not_honor", False),
        ("confirm_card_data", "incorrect_cvc", False),
        ("try_again_later", "stolen_card", False),
        ("try_again_later", "lost_card", False),
        ("try_again_later", "pickup_card", False),
        ("try_again_later", "fraudulent", False),
        ("try_again_later", "expired_card", False),
        (None, "insufficient_funds", True),
        (None, "processing_error", True),
        (None, "do_not_honor", False),
        (None, "expired_card", False),
        (None, None, False),
    ],
)
def test_the_next_try_follows_the_banks_advice(advice: str | None, decline_code: str | None, again: bool) -> None:
    """Two days later where it is worth it; else the owner hears that it ends, and the customer to pay on the phone."""
    till = declined(Failure(code="card_declined", decline_code=decline_code, advice=advice))

    if again:
        assert till.planned[StepKind.RETRY_CHARGE] == NOON + 2 * DAY
        assert till.told[-1] == (MessageKind.CARD_DECLINED, Recipient.CUSTOMER)
        assert till.messages[-1].values["next_try_at"] == instants.text(NOON + 2 * DAY)
        return
    assert StepKind.RETRY_CHARGE not in till.planned
    assert till.told[-2:] == [
        (MessageKind.CARD_DECLINED, Recipient.CUSTOMER),
        (MessageKind.COLLECTION_ENDED, Recipient.OWNER),
    ]
    assert till.messages[-2].values["next_try_at"] is None


def test_a_failure_without_a_reason_is_not_tried_again() -> None:
    """Nothing is known of it: people decide."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()

    till.declined(Operation.CHARGE, failure=None)

    assert set(till.planned) == {StepKind.REMIND}


def test_four_tries_at_most_spaced_by_the_policy() -> None:
    """After two, three and five days; then the owner decides."""
    till = declined(NO_MONEY)
    tried = [till.now]
    while retry_at := till.planned.get(StepKind.RETRY_CHARGE):
        till.wait_until(retry_at).declined(Operation.CHARGE, failure=NO_MONEY)
        tried.append(till.now)

    assert tried == [NOON, NOON + 2 * DAY, NOON + 5 * DAY, NOON + 10 * DAY]
    assert len(tried) == MAXIMUM_TRIES
    assert till.told.count((MessageKind.COLLECTION_ENDED, Recipient.OWNER)) == 1
    till.wait(days=60)
    assert till.tab.attempts == ()
    assert till.allows(Action.WRITE_OFF, OWNER)
    assert not till.allows(Action.WRITE_OFF, STAFF)


def test_a_policy_with_fewer_retries_makes_fewer() -> None:
    """One: two tries in all."""
    till = declined(NO_MONEY, policy=Policy(retry_offsets_s=(86400,))).wait(days=1)

    till.declined(Operation.CHARGE, failure=NO_MONEY)

    assert StepKind.RETRY_CHARGE not in till.planned


def test_a_retry_takes_what_is_owed_then() -> None:
    """20 were paid in cash meanwhile."""
    till = declined(NO_MONEY).do(payment.take_cash, 20_00).wait(days=2)

    assert till.open(Operation.CHARGE).amount_minor == 30_00


def test_a_retry_that_succeeds_ends_it() -> None:
    """The tab closes, and nobody is reminded any more."""
    till = declined(NO_MONEY).wait(days=2).charged().wait(days=30)

    assert (till.tab.status, till.tab.payment_state) == (Status.CLOSED, PaymentState.PAID)
    assert REMINDER not in till.told
    assert till.planned == {}


def test_no_retry_at_night() -> None:
    """Whoever is declined hears of it: the next try is for the morning, and so is what the customer reads."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    till.wait_until(NOON + timedelta(hours=12)).accept_bill()

    till.declined(Operation.CHARGE, failure=TRY_LATER)

    assert till.planned[StepKind.RETRY_CHARGE] == NOON + 2 * DAY + timedelta(hours=20)
    assert till.messages[-1].values["next_try_at"] == instants.text(till.planned[StepKind.RETRY_CHARGE])


def test_without_consent_to_automatic_charges_there_is_no_retry_and_none_is_announced() -> None:
    """The customer had it charged once, by accepting; nobody agreed to a second time."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()

    till.declined(Operation.CHARGE, failure=TRY_LATER)

    assert set(till.planned) == {StepKind.REMIND}
    assert till.tab.expected_at is None
    assert till.messages[-2].values["next_try_at"] is None
    assert till.told[-1] == (MessageKind.COLLECTION_ENDED, Recipient.OWNER)


def test_a_fee_is_retried_with_the_consent_to_fees() -> None:
    """The disclosed fee, by card with stored consent."""
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)
    till.do(booking.mark_no_show).wait(days=1).declined(Operation.CHARGE, failure=TRY_LATER)

    assert till.wait(days=2).open(Operation.CHARGE).amount_minor == 30_00


def test_the_banks_question_goes_to_the_customer_for_a_day() -> None:
    """SCA: asked on the phone, told so, and not charged again by itself when nobody answers."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).wait(days=1).awaiting(Operation.CHARGE)
    assert till.told[-1] == (MessageKind.CONFIRMATION_NEEDED, Recipient.CUSTOMER)
    assert till.planned == {StepKind.CLOSE_PAYMENT: till.now + DAY}
    assert till.allows(Action.PAY_ON_PHONE, ADA)

    till.now += DAY
    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.told[-1] == (MessageKind.COLLECTION_ENDED, Recipient.OWNER)
    assert till.messages[-1].values["why"] == "unconfirmed"
    assert set(till.planned) == {StepKind.REMIND}
    assert till.tab.attempts == ()


def test_the_banks_question_answered_pays() -> None:
    """On the phone, the very charge that was begun without them."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).wait(days=1).awaiting(Operation.CHARGE)

    till.charged("pi_asks")

    assert till.tab.status == Status.CLOSED


def test_no_automatic_charge_without_consent_at_the_windows_end() -> None:
    """A saved card alone is no permission."""
    till = Till().accept(*WITH_CARD, Consent.CAPTURE_BEFORE_EXPIRY, customer=CUSTOMER).serve(50_00).wait(days=1)

    assert till.tab.status == Status.DUE
    assert till.tab.attempts == ()


# Write-off and recovery


def test_a_write_off_moves_the_balance_to_bad_debt() -> None:
    """The tab is closed, what was paid is kept, what was owed is a loss."""
    till = unpaid().do(payment.take_cash, 20_00).do(bill.write_off, "moved away", by=OWNER)

    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.WRITTEN_OFF)
    assert till.tab.payment_state == PaymentState.WRITTEN_OFF
    assert till.posted("written_off") == [(A.BAD_DEBT, 30_00), (A.CUSTOMER_RECEIVABLE, -30_00)]
    assert till.books == {A.CASH: 20_00, A.BAD_DEBT: 30_00, A.SERVICE_REVENUE: -50_00}


def test_a_part_paid_bill_that_is_written_off_gets_a_receipt() -> None:
    """For what was paid; without any payment there is nothing to give one for."""
    part_paid = unpaid().do(payment.take_cash, 20_00).do(bill.write_off, "moved away", by=OWNER)
    assert part_paid.told[-1] == RECEIPT
    assert part_paid.messages[-1].values["receipt_minor"] == 20_00

    assert RECEIPT not in unpaid().do(bill.write_off, "moved away", by=OWNER).told


@pytest.mark.parametrize("kind", ["no_show", "late_cancel"])
def test_a_fee_is_written_off_like_a_bill(kind: str) -> None:
    """Given up as lost: the reminders end, and a payment that still comes is a recovery."""
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25 if kind == "no_show" else 23)
    if kind == "no_show":
        till.do(booking.mark_no_show)
    else:
        till.do(booking.cancel, "ill", by=ADA)
    fee_minor = till.tab.balance_minor
    assert fee_minor
    assert not till.allows(Action.WRITE_OFF, STAFF)

    till.do(bill.write_off, "moved away", by=OWNER)

    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.WRITTEN_OFF)
    assert till.books == {A.BAD_DEBT: fee_minor, A.FEES_INCOME: -fee_minor}
    assert till.planned == {}
    till.do(payment.take_cash, fee_minor)
    assert till.books == {
        A.BAD_DEBT: fee_minor,
        A.FEES_INCOME: -fee_minor,
        A.CASH: fee_minor,
        A.RECOVERY: -fee_minor,
    }


def test_a_write_off_is_the_owners_and_of_a_due_bill_only() -> None:
    """Not of one under review, not of one that is paid, and not by staff."""
    assert not unpaid().allows(Action.WRITE_OFF, STAFF)
    assert not Till().serve(50_00).allows(Action.WRITE_OFF, OWNER)
    with pytest.raises(TransitionRefused):
        unpaid().do(bill.write_off, "x", by=OWNER).do(bill.write_off, "x", by=OWNER)


def test_a_write_off_releases_the_hold() -> None:
    """Nothing is secured any more."""
    till = Till(deposit_minor=20_00).accept(*WITHOUT_CARD).hold_placed().serve(50_00).wait(days=1)

    till.do(bill.write_off, "so", by=OWNER)

    assert till.open(Operation.RELEASE).amount_minor == 20_00


def test_a_late_payment_on_the_phone_is_a_recovery() -> None:
    """The customer comes back, pays what was given up, and gets a receipt."""
    till = unpaid().do(bill.write_off, "moved away", by=OWNER)

    till.do(payment.pay_on_phone, by=ADA).charged()

    assert till.posted("recovered") == [(A.CUSTOMER_RECEIVABLE, 50_00), (A.RECOVERY, -50_00)]
    assert till.books == {A.STRIPE_BALANCE: 50_00, A.BAD_DEBT: 50_00, A.SERVICE_REVENUE: -50_00, A.RECOVERY: -50_00}
    assert till.tab.payment_state == PaymentState.PAID
    assert (till.told.count(RECEIPT), till.messages[-1].values["receipt_minor"]) == (1, 50_00)


def test_a_late_payment_in_cash_is_a_recovery_of_as_much() -> None:
    """20 of the 50; the rest stays given up, and can still be paid."""
    till = unpaid().do(bill.write_off, "moved away", by=OWNER).do(payment.take_cash, 20_00)

    assert till.tab.written_off_minor == 30_00
    assert till.books == {A.CASH: 20_00, A.BAD_DEBT: 50_00, A.SERVICE_REVENUE: -50_00, A.RECOVERY: -20_00}
    assert till.tab.refund_owed_minor == 0
    assert till.allows(Action.TAKE_CASH)


def test_what_was_written_off_is_never_charged_by_itself() -> None:
    """Only the customer's own payment brings it back."""
    till = declined(DECLINED).do(bill.write_off, "so", by=OWNER).wait(days=60)

    assert till.tab.attempts == ()
    assert not till.allows(Action.CHARGE_SAVED_CARD)
    assert not till.allows(Action.CHARGE_SAVED_CARD, ADA)
