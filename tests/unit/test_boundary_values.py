"""Rules at their boundary values: exact amounts, exact times, first and last allowed cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import AmountTooSmall, InvalidInput
from chalicelib.domain.money import currency_of, minimum_charge_minor
from chalicelib.domain.tab import deposit, followup
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import DepositState
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.settlement import phone_amount_minor
from chalicelib.domain.tab.status import Status
from tests.unit.till import (
    ADA,
    CUSTOMER,
    EVERYTHING,
    NOON,
    OTHER_CARD,
    OWNER,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)


def held() -> Till:
    return Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()


# Deposits


def test_a_lowered_bill_that_is_amended_to_nothing_has_no_tax() -> None:
    """What was taken off stays off, and of nothing no share is reckoned."""
    till = Till().serve(50_00).do(bill.adjust, 1, "so").do(bill.amend)

    till.do(bill.void_item, till.tab.items[0].item_id)

    assert (till.tab.total_minor, till.tab.tax_minor) == (0, 0)


def test_a_deposit_that_is_held_is_not_held_again_for_another_promise() -> None:
    """Nor because the customer saves another card."""
    till = held().do(booking.propose_promise, Limits(cap_minor=150_00)).accept(*EVERYTHING)
    assert (till.tab.deposit.state, till.tab.attempts) == (DepositState.HELD, ())

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=OTHER_CARD))
    assert (till.tab.deposit.state, till.tab.attempts) == (DepositState.HELD, ())
    assert till.tab.card == OTHER_CARD


def test_the_smallest_deposit_is_a_deposit() -> None:
    """And none is none."""
    assert deposit.wanted(1, NOON, 60).state == DepositState.WANTED
    assert deposit.wanted(1, NOON, 60).lapses_at == NOON + timedelta(seconds=60)
    assert deposit.wanted(0, NOON, 60) == deposit.Deposit()


def test_a_card_without_the_consent_to_keep_it_secures_nothing() -> None:
    """It is not even kept."""
    till = Till.booked(in_hours=24).accept(*WITHOUT_CARD).end(note_absent, Operation.PLACE_HOLD)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=OTHER_CARD))

    assert till.tab.card is None
    assert till.tab.deposit.state == DepositState.WANTED


def test_a_booking_at_the_edge_of_the_window_is_held_at_once() -> None:
    """Within 96 hours on the phone; a minute later the card is to be saved first."""
    assert Till.booked(in_hours=96).accept(*WITHOUT_CARD).open(Operation.PLACE_HOLD)
    assert Till.booked(in_hours=96 + 1 / 60).accept(*WITH_CARD).tab.attempts == ()


def test_a_failed_placement_is_tried_again_up_to_a_day_and_a_half_before_the_service() -> None:
    """Twelve hours later, and then the owner still has a day."""
    for hours, again in ((36, True), (35.99, False)):
        till = Till.booked(in_hours=hours).accept(*WITH_CARD, customer=CUSTOMER)
        till.declined(Operation.PLACE_HOLD, failure=TRY_LATER)
        assert (till.tab.deposit.place_at is not None) == again


def test_cancelling_is_free_until_the_very_second_of_the_cut_off() -> None:
    """Two days before the start."""
    for seconds, fee in ((0, None), (1, 15_00)):
        till = Till.booked(in_hours=100, deposit_minor=0).accept(*WITHOUT_CARD)
        till.wait(hours=52, seconds=seconds).do(booking.cancel, "ill", by=ADA)
        assert (till.tab.fee.amount_minor if till.tab.fee else None) == fee


def test_a_cancellation_before_the_promise_was_accepted_costs_nothing() -> None:
    """However late: nothing had been agreed."""
    till = Till.booked(in_hours=1).do(booking.cancel, "ill", by=ADA)

    assert till.tab.fee is None
    assert till.tab.status == Status.CLOSED


# Promises


def test_a_plain_tab_needs_the_cap_and_nothing_else() -> None:
    """And that very consent is what it then has."""
    promise = Till().accept(Consent.CAP).tab.promise

    assert promise.consents_to(Consent.CAP)
    assert promise.consents_to()
    assert not promise.consents_to(Consent.CAP, Consent.CARD_ON_FILE)
    assert not Till().tab.promise.consents_to()


def test_a_proposal_ends_with_the_service() -> None:
    """Presented, canceled or missed: there is nothing left to accept."""
    proposed = Limits(cap_minor=150_00)
    assert Till().accept(*WITHOUT_CARD).do(booking.propose_promise, proposed).serve(50_00).tab.proposed is None
    booked = Till.booked(in_hours=1).accept(*WITHOUT_CARD).do(booking.propose_promise, proposed)
    assert booked.tab.proposed is not None
    assert replace(booked.tab).proposed == booked.tab.proposed
    assert Till.booked(in_hours=1).do(booking.propose_promise, proposed).do(booking.cancel, "x").tab.proposed is None
    assert booked.wait(hours=2).do(booking.mark_no_show).tab.proposed is None


# Money


def test_paid_out_in_another_currency_the_least_charge_is_doubled() -> None:
    """The published minimum is that of the payout; two are worth too little for that."""
    eur = currency_of("EUR")
    assert [minimum_charge_minor(eur, other) for other in ("EUR", "USD", None)] == [50, 100, 100]
    assert minimum_charge_minor(currency_of("INR"), "EUR") == 6000
    assert minimum_charge_minor(currency_of("INR"), "INR") == 50


def test_what_was_written_off_is_paid_on_the_phone_if_a_card_may_be_charged_with_it() -> None:
    """Fifty cents may, forty-nine may not."""
    for price, payable in ((50, 50), (49, 0)):
        till = Till().accept(*WITHOUT_CARD).serve(price).wait(days=1).do(bill.write_off, "gone", by=OWNER)
        assert phone_amount_minor(till.tab) == payable


def test_of_a_contested_bill_that_is_partly_paid_only_the_rest_is_captured() -> None:
    """Sixty less the contested thirty less the twenty that were paid in cash: ten, of a hold of twenty."""
    till = held().serve(60_00).do(payment.take_cash, 20_00).do(bill.contest, "cold", 30_00, by=ADA)

    till.wait(days=6)

    assert till.open(Operation.CAPTURE).amount_minor == 10_00


# Follow-up


@pytest.mark.parametrize(
    ("begin", "end", "hour", "moved_to"),
    [
        (1, 5, 0, None),
        (1, 5, 1, (2, 5)),
        (1, 5, 4, (2, 5)),
        (1, 5, 5, None),
        (21, 8, 20, None),
        (21, 8, 21, (3, 8)),
        (21, 8, 7, (2, 8)),
        (21, 8, 8, None),
        (0, 0, 0, None),
        (0, 8, 0, (2, 8)),
    ],
)
def test_quiet_hours_begin_and_end_on_the_hour(
    begin: int, end: int, hour: int, moved_to: tuple[int, int] | None
) -> None:
    """From the first to the last minute; over midnight, or within a day; none where both are the same."""
    policy = Policy(quiet_from_hour=begin, quiet_until_hour=end)
    at = datetime(2026, 3, 2, hour, 30, 15, 7, tzinfo=UTC)

    moved = followup.outside_quiet_hours(at, policy)

    assert moved == (at if moved_to is None else datetime(2026, 3, moved_to[0], moved_to[1], tzinfo=UTC))


def test_a_card_is_not_tried_beside_a_plan_that_is_under_way() -> None:
    """The plan's own next leg is what is taken next."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    planned = replace(till.tab, followup=replace(till.tab.followup, next_try_at=NOON))

    assert followup.is_followed_up(planned)
    assert followup.retry_at(planned) is None
    assert followup.retry_at(replace(planned, plan=None)) == NOON


def test_a_decline_without_a_reason_is_a_decline() -> None:
    """The bank need not say why; on the phone the customer may take another card."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)
    till.declined(Operation.CHARGE, "pi_asks")

    attempt = till.open(Operation.CHARGE)
    till.hear(till.fact(FactKind.DECLINED, "pi_asks", attempt_id=attempt.attempt_id, occurrence="ch_2"))

    assert till.entries[-1].details == {"attempt_id": attempt.attempt_id, "code": "declined"}
    assert till.open(Operation.CHARGE).failure is None


def test_a_refund_that_failed_keeps_the_reason() -> None:
    """With its attempt, which is over."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    attempt = till.do(payment.refund, None, "cold").open(Operation.REFUND)

    till.hear(
        till.fact(
            FactKind.REFUND_FAILED, "re_1", 50_00, payment_id="pi_charge", attempt_id=attempt.attempt_id,
            failure=TRY_LATER,
        )
    )  # fmt: skip

    assert till.closed[attempt.attempt_id].failure == TRY_LATER
    assert till.tab.refund_owed_minor == 50_00


def test_a_hold_that_was_captured_past_us_was_not_captured_by_our_attempt() -> None:
    """Somebody takes all of a hold by hand while we ask for a part: theirs is in the books, and ours has failed."""
    till = Till.booked(in_hours=24).accept(*WITH_CARD, customer=CUSTOMER).hold_placed().wait(hours=2)
    till.do(booking.cancel, "ill", by=ADA)
    ours = till.open(Operation.CAPTURE)
    assert ours.amount_minor == 15_00

    till.hear(till.fact(FactKind.HOLD_CAPTURED, "pi_hold", 20_00))

    ended = till.closed[ours.attempt_id]
    assert (ended.state, ended.failure) == (AttemptState.FAILED, Failure(code="already_captured"))
    assert [leg.amount_minor for leg in till.tab.legs] == [20_00]
    assert till.open(Operation.REFUND).amount_minor == 5_00


def test_a_hold_that_was_released_past_us_ends_its_capture_with_that() -> None:
    """Gone, not expired: somebody has canceled it in the dashboard."""
    till = held().serve(20_00).accept_bill()
    capture = till.open(Operation.CAPTURE)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_hold"))

    failure = till.closed[capture.attempt_id].failure
    assert failure is not None
    assert failure.code == "hold_gone"
    assert till.tab.deposit.state == DepositState.RELEASED


def test_a_taxed_bill_that_is_taken_back_leaves_nothing_in_the_books() -> None:
    """Revenue, tax and tip are reversed as they were posted; presented again, they stand as before."""
    line = ItemInput(description="Cut", unit_price_minor=60_00, tax_basis_points=20_00)
    till = Till().accept(*WITHOUT_CARD).do(bill.add_items, [line]).do(bill.complete)
    presented = till.books

    assert till.do(bill.amend).books == {}
    assert till.do(bill.complete).books == presented
    assert presented[Account.TAX] == -10_00


@pytest.mark.parametrize("field", ["deposit_minor", "no_show_fee_minor", "late_cancel_fee_minor"])
def test_what_may_have_to_be_charged_alone_is_at_least_the_minimum(field: str) -> None:
    """Fifty cents can be, forty-nine can't."""
    assert Till.booked(**{field: 50})

    with pytest.raises(AmountTooSmall):
        Till.booked(**{field: 49})


def test_a_deposit_may_be_as_high_as_the_highest_thing_it_could_be_for() -> None:
    """The cap, either fee; a cent more is too much."""
    fees = {"cap_minor": 100_00, "estimate_minor": 1_00, "no_show_fee_minor": 1_00, "late_cancel_fee_minor": 1_00}
    for highest in ("cap_minor", "no_show_fee_minor", "late_cancel_fee_minor"):
        given = {**fees, highest: 300_00}
        assert Till.booked(**given, deposit_minor=300_00)
        with pytest.raises(InvalidInput):
            Till.booked(**given, deposit_minor=300_01)
