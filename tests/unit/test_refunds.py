"""Refunds, cash, and later tips: plans over legs, with their postings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import AmountTooSmall, InvalidInput, NothingToPay, PaymentInProgress, TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.draft import check_invariants
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent, note_rejected
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.tab import Outcome
from tests.unit.till import (
    ADA,
    CUSTOMER,
    EVERYTHING,
    OWNER,
    STAFF,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)

A = Account
REFUND, CHARGE = Operation.REFUND, Operation.CHARGE
RECEIPT = (MessageKind.RECEIPT, Recipient.CUSTOMER)


def paid(amount: int = 50_00, tip: int = 0) -> Till:
    """Charged to the card."""
    return Till().accept(*WITH_CARD, customer=CUSTOMER).serve(amount).accept_bill(tip).charged()


def paid_by_two() -> Till:
    """A bill of 50: 20 captured from the hold, then 30 charged."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    return till.serve(50_00).accept_bill().captured().charged()


def refund(till: Till, amount_minor: int | None = None) -> Till:
    return till.do(payment.refund, amount_minor, "not happy")


# Refunds, leg by leg


def test_a_full_refund_of_one_payment() -> None:
    """The bill is taken off the books with it; the customer is told."""
    till = refund(paid())
    assert till.told[-1] == (MessageKind.REFUND, Recipient.CUSTOMER)
    assert till.tab.payment_state == PaymentState.REFUND_OWED
    assert till.books == {A.STRIPE_BALANCE: 50_00, A.REFUND_PAYABLE: -50_00}

    till.refunded()

    assert till.books == {}
    assert till.tab.payment_state == PaymentState.NONE
    assert till.tab.status == Status.CLOSED


def test_a_partial_refund_over_two_legs_takes_the_newest_first() -> None:
    """Of 40, 30 come from the charge and 10 from the capture; one attempt a leg, one after the other."""
    till = refund(paid_by_two(), 40_00)
    first = till.open(REFUND)
    assert (first.payment_id, first.amount_minor) == ("pi_charge", 30_00)

    till.refunded("re_1")
    second = till.open(REFUND)
    assert (second.payment_id, second.amount_minor) == ("pi_hold", 10_00)

    till.refunded("re_2")
    assert [leg.refunded_minor for leg in till.tab.legs] == [10_00, 30_00]
    assert till.books == {A.STRIPE_BALANCE: 10_00, A.SERVICE_REVENUE: -10_00}
    assert (till.tab.paid_minor, till.tab.amount_due_minor) == (10_00, 10_00)


def test_a_refund_takes_its_share_of_the_tax() -> None:
    """Half of it back, half of the tax."""
    till = Till().do(
        bill.add_items,
        [bill.ItemInput(description="Service", unit_price_minor=119_00, tax_basis_points=1_900)],
    )
    till.do(bill.complete).do(payment.pay_on_phone, by=ADA).charged()

    refund(till, 59_50)

    assert till.posted("refund_granted") == [
        (A.CUSTOMER_RECEIVABLE, -50_00),
        (A.SERVICE_REVENUE, 50_00),
        (A.CUSTOMER_RECEIVABLE, -9_50),
        (A.TAX, 9_50),
    ]


def test_a_refund_above_the_bill_gives_back_the_tip() -> None:
    """The bill first, then the tip."""
    till = refund(paid(50_00, tip=5_00), 52_00)

    assert till.posted("tip_returned") == [(A.TIPS, 2_00), (A.CUSTOMER_RECEIVABLE, -2_00)]
    assert (till.tab.total_minor, till.tab.tip_minor) == (0, 3_00)
    assert till.open(REFUND).amount_minor == 52_00


def test_a_fee_is_refunded_as_a_fee() -> None:
    """No revenue of a service is reversed."""
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)
    till.do(booking.mark_no_show).wait(days=1).charged()

    refund(till, 10_00).refunded()

    assert till.books == {A.STRIPE_BALANCE: 20_00, A.FEES_INCOME: -20_00}


@pytest.mark.parametrize("amount", [0, -1, 50_01])
def test_no_more_than_was_taken_is_refunded(amount: int) -> None:
    """Nor nothing, nor less than nothing."""
    with pytest.raises(InvalidInput):
        refund(paid(), amount)


def test_nothing_taken_is_nothing_to_refund() -> None:
    """A bill that is only due can be waived."""
    with pytest.raises(NothingToPay):
        refund(Till())
    with pytest.raises(NothingToPay):
        refund(Till().serve(50_00).accept_bill())


def test_a_bill_that_is_partly_owed_is_adjusted_not_refunded() -> None:
    """20 of 50 were paid: lowering the bill comes first, and the cash above it is handed back after that."""
    till = Till().serve(50_00).accept_bill().do(payment.take_cash, 20_00)

    with pytest.raises(TransitionRefused, match="still owed"):
        refund(till, 5_00)
    till.do(bill.adjust, 35_00, "so")
    with pytest.raises(TransitionRefused, match="Hand it over"):
        refund(till, 5_00)
    assert till.books == {A.CASH: 20_00, A.REFUND_PAYABLE: -5_00, A.SERVICE_REVENUE: -15_00}
    till.do(payment.return_cash, 5_00)

    assert till.books == {A.CASH: 15_00, A.SERVICE_REVENUE: -15_00}
    assert till.tab.status == Status.CLOSED


def test_a_second_refund_waits_for_the_first() -> None:
    """Two at once would not know of each other."""
    till = refund(paid(), 10_00)

    with pytest.raises(PaymentInProgress):
        refund(till, 10_00)
    refund(till.refunded(), 10_00)

    assert till.open(REFUND).amount_minor == 10_00
    till.refunded("re_2")
    with pytest.raises(InvalidInput, match="3000"):
        refund(till, 30_01)


def test_a_pending_refund_counts_as_given_back() -> None:
    """It can't be given twice; the books owe it until it has gone."""
    till = refund(paid(), 20_00)
    attempt = till.open(REFUND)
    till.hear(till.fact(FactKind.REFUND_PENDING, "re_1", 20_00, attempt_id=attempt.attempt_id, payment_id="pi_charge"))
    assert till.tab.payment_state == PaymentState.REFUND_OWED
    assert till.books[A.REFUND_PAYABLE] == -20_00

    with pytest.raises(InvalidInput):
        refund(till, 30_01)

    till.hear(till.fact(FactKind.REFUNDED, "re_1", 20_00, payment_id="pi_charge"))
    assert till.books == {A.STRIPE_BALANCE: 30_00, A.SERVICE_REVENUE: -30_00}


def test_a_failed_refund_reopens_its_obligation_and_is_not_tried_for_ever() -> None:
    """The bank sent it back: owed again, a person is told, and no other attempt is made of this leg."""
    till = refund(paid(), 20_00).refunded()

    till.hear(
        till.fact(FactKind.REFUND_FAILED, "re_1", 20_00, payment_id="pi_charge", failure=Failure(code="declined"))
    ).wait(days=30)

    assert till.tab.refund_owed_minor == 20_00
    assert till.tab.attempts == ()
    assert till.tab.flags
    assert till.told[-1] == (MessageKind.REFUND_FAILED, Recipient.OWNER)
    assert till.posted("refund_failed") == [(A.STRIPE_BALANCE, 20_00), (A.CUSTOMER_RECEIVABLE, -20_00)]
    assert till.books == {A.STRIPE_BALANCE: 50_00, A.SERVICE_REVENUE: -30_00, A.REFUND_PAYABLE: -20_00}


def test_a_refund_that_fails_on_one_leg_goes_over_the_other() -> None:
    """The card of the charge is closed; the capture's is not."""
    till = refund(paid_by_two(), 15_00)
    attempt = till.open(REFUND)
    assert attempt.payment_id == "pi_charge"

    till.hear(till.fact(FactKind.REFUND_FAILED, "re_1", 15_00, attempt_id=attempt.attempt_id, payment_id="pi_charge"))

    assert (till.open(REFUND).payment_id, till.open(REFUND).amount_minor) == ("pi_hold", 15_00)


def test_a_refund_the_gateway_refuses_is_left_to_a_person() -> None:
    """Flagged, and no second one beside it."""
    till = refund(paid()).end(note_rejected, REFUND, Failure(code="charge_already_refunded")).end(note_absent, REFUND)

    assert till.wait(days=2).tab.attempts == ()
    assert till.tab.refund_owed_minor == 50_00
    assert till.tab.flags


# Adjusting after the money was taken


def test_lowering_a_paid_bill_owes_the_difference_in_the_same_change() -> None:
    """Paid 50, lowered by 20: 20 are on their way back at once, over the newest leg."""
    till = paid_by_two().do(bill.adjust, 20_00, "two coffees too many")

    assert till.open(REFUND).amount_minor == 20_00
    assert till.open(REFUND).payment_id == "pi_charge"
    assert till.books == {A.STRIPE_BALANCE: 50_00, A.SERVICE_REVENUE: -30_00, A.REFUND_PAYABLE: -20_00}
    assert till.told[-1] == (MessageKind.BILL_ADJUSTED, Recipient.CUSTOMER)


def test_lowering_an_unpaid_bill_owes_nothing_back() -> None:
    """Less is due, that is all; lowered to nothing, the tab closes."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).accept_bill().do(bill.adjust, 20_00, "so")
    assert (till.tab.balance_minor, till.tab.attempts) == (30_00, ())

    till.do(bill.adjust, 30_00, "so")

    assert (till.tab.status, till.books) == (Status.CLOSED, {})


def test_a_bill_is_not_lowered_while_a_payment_is_under_way() -> None:
    """What the bank is asked for must not change meanwhile."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()

    with pytest.raises(PaymentInProgress):
        till.do(bill.adjust, 20_00, "so")


@pytest.mark.parametrize("reduction", [0, -1, 50_01])
def test_a_bill_is_lowered_by_something_and_not_below_zero(reduction: int) -> None:
    """Raising it needs the service to be open again."""
    with pytest.raises(InvalidInput):
        paid().do(bill.adjust, reduction, "so")


def test_a_fee_is_not_adjusted_but_waived() -> None:
    """There is no bill."""
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)

    with pytest.raises(TransitionRefused):
        till.do(booking.mark_no_show).wait(days=1).charged().do(bill.adjust, 10_00, "so")


# Cash


def test_cash_pays_a_bill() -> None:
    """Into the till, not to the gateway; the tab closes."""
    till = Till().serve(50_00).do(payment.take_cash, 50_00)

    assert till.posted("cash_taken") == [(A.CASH, 50_00), (A.CUSTOMER_RECEIVABLE, -50_00)]
    assert till.books == {A.CASH: 50_00, A.SERVICE_REVENUE: -50_00}
    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.FULFILLED)


def test_partly_in_cash_the_rest_by_card() -> None:
    """20 in cash during the review, 30 at its end as agreed."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(payment.take_cash, 20_00)
    assert till.tab.status == Status.IN_REVIEW

    till.wait(days=1).charged()

    assert [(leg.kind, leg.amount_minor) for leg in till.tab.legs] == [(LegKind.CASH, 20_00), (LegKind.CHARGE, 30_00)]
    assert till.books == {A.CASH: 20_00, A.STRIPE_BALANCE: 30_00, A.SERVICE_REVENUE: -50_00}


def test_cash_for_a_residue_a_card_can_not_pay() -> None:
    """One cent is left after the hold: it goes into the till."""
    till = Till(deposit_minor=20_00).accept(*WITHOUT_CARD).hold_placed().serve(20_01).accept_bill().captured()

    till.do(payment.take_cash, 1)

    assert till.tab.status == Status.CLOSED


def test_cash_pays_a_fee() -> None:
    """A no-show that comes by."""
    till = Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)

    till.do(payment.take_cash, 30_00)

    assert till.books == {A.CASH: 30_00, A.FEES_INCOME: -30_00}


@pytest.mark.parametrize("amount", [0, -1, 50_01])
def test_no_more_cash_than_is_owed(amount: int) -> None:
    """Change is given at the till."""
    with pytest.raises(InvalidInput):
        Till().serve(50_00).do(payment.take_cash, amount)


def test_no_cash_while_a_payment_is_under_way() -> None:
    """It may be paid already."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()

    with pytest.raises(PaymentInProgress):
        till.do(payment.take_cash, 50_00)


def test_cash_is_given_back_in_cash() -> None:
    """At the counter, with the command itself: no attempt, no gateway."""
    till = refund(Till().serve(50_00).do(payment.take_cash, 50_00), 20_00)

    assert till.tab.attempts == ()
    assert till.posted("cash_returned") == [(A.CUSTOMER_RECEIVABLE, 20_00), (A.CASH, -20_00)]
    assert till.books == {A.CASH: 30_00, A.SERVICE_REVENUE: -30_00}


def test_a_refund_over_card_and_cash_gives_each_its_own_back() -> None:
    """The charge is the newest: 30 to the card, 10 in cash."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(payment.take_cash, 20_00).wait(days=1)

    refund(till.charged(), 40_00).refunded()

    assert [leg.refunded_minor for leg in till.tab.legs] == [10_00, 30_00]
    assert till.books == {A.CASH: 10_00, A.SERVICE_REVENUE: -10_00}


# Too much


def test_what_is_paid_twice_goes_back_by_itself() -> None:
    """Cash at the counter, and then a payment that had been given up comes through: that one is refunded."""
    till = Till().serve(50_00).do(payment.take_cash, 50_00)

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 50_00, attempt_id="att_gone"))

    assert (till.open(REFUND).payment_id, till.open(REFUND).amount_minor) == ("pi_late", 50_00)
    assert till.posted("refund_obligation") == [(A.REFUND_PAYABLE, -50_00), (A.CUSTOMER_RECEIVABLE, 50_00)]
    till.refunded()
    assert till.books == {A.CASH: 50_00, A.SERVICE_REVENUE: -50_00}


def test_what_is_too_much_is_no_reason_for_another_receipt() -> None:
    """Only what was due was paid."""
    till = Till().serve(50_00).do(payment.take_cash, 50_00)

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 50_00, attempt_id="att_gone"))

    assert till.told.count(RECEIPT) == 1


# The tip after the payment


def test_a_tip_after_the_payment_is_its_own_attempt_and_due_only_when_paid() -> None:
    """Until the customer confirms it, nothing is owed; then it is posted and paid in one change."""
    till = paid().do(payment.tip, 5_00, by=ADA).awaiting(CHARGE, "pi_tip")
    assert (till.tab.status, till.tab.balance_minor, till.tab.tip_minor) == (Status.CLOSED, 0, 0)
    assert A.TIPS not in till.books

    till.charged("pi_tip")

    assert till.posted("tip_given") == [(A.CUSTOMER_RECEIVABLE, 5_00), (A.TIPS, -5_00)]
    assert till.books == {A.STRIPE_BALANCE: 55_00, A.SERVICE_REVENUE: -50_00, A.TIPS: -5_00}
    assert till.tab.payment_state == PaymentState.PAID


def test_a_tip_that_is_not_paid_leaves_nothing_owed() -> None:
    """Closed unpaid: the books are as before, and nobody is reminded."""
    till = paid().do(payment.tip, 5_00, by=ADA).awaiting(CHARGE, "pi_tip")

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_tip")).wait(days=30)

    assert (till.tab.balance_minor, till.tab.tip_minor, till.tab.attempts) == (0, 0, ())
    assert till.planned == {}
    assert till.told.count(RECEIPT) == 1


def test_a_tip_paid_after_it_was_given_up_goes_back() -> None:
    """Nobody waits for it any more: it is too much, and refunded."""
    till = paid().do(payment.tip, 5_00, by=ADA).awaiting(CHARGE, "pi_tip")
    attempt_id = till.open(CHARGE).attempt_id
    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_tip"))

    till.hear(till.fact(FactKind.CHARGED, "pi_tip", 5_00, attempt_id=attempt_id))

    assert till.open(REFUND).amount_minor == 5_00
    assert till.tab.tip_minor == 0


def test_a_tip_after_the_payment_has_its_own_receipt() -> None:
    """Over all of it, and the tab says that it replaces the first."""
    till = paid().do(payment.tip, 5_00, by=ADA).charged("pi_tip")

    first, second = (message for message in till.messages if message.kind == MessageKind.RECEIPT)

    assert [first.values["receipt_minor"], second.values["receipt_minor"]] == [50_00, 55_00]
    assert first.seq < second.seq == till.tab.receipt_seq


def test_a_tip_is_the_customers_for_a_service_that_was_paid() -> None:
    """Not staff's, not before the tab is closed, and not for a no-show."""
    assert not paid().allows(Action.TIP, STAFF)
    assert not paid().allows(Action.TIP, OWNER)
    assert not Till().serve(50_00).allows(Action.TIP, ADA)
    no_show = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)
    assert not no_show.do(booking.mark_no_show).wait(days=1).charged().allows(Action.TIP, ADA)


def test_a_tip_is_at_least_what_a_card_may_be_charged() -> None:
    """It is a payment of its own."""
    with pytest.raises(AmountTooSmall):
        paid().do(payment.tip, 49, by=ADA)
    with pytest.raises(InvalidInput):
        paid().do(payment.tip, 0, by=ADA)


# Any plan


@given(
    cash=st.integers(0, 50_00),
    tip=st.sampled_from([0, 1, 7_00]),
    hold=st.sampled_from([0, 60, 20_00]),
    asks=st.lists(st.integers(1, 60_00), max_size=4),
)
def test_any_refunds_keep_every_leg_and_the_books(cash: int, tip: int, hold: int, asks: list[int]) -> None:
    """However it was paid and whatever is asked for: refunded at most what was taken, and the books agree."""
    till = Till(deposit_minor=hold).accept(*EVERYTHING, customer=CUSTOMER)
    if hold:
        till.hold_placed()
    till.serve(50_00)
    if cash:
        till.do(payment.take_cash, cash)
    if till.allows(Action.ACCEPT_BILL, ADA):
        # A residue below the minimum charge is for cash, and a tip with it for another payment.
        till.accept_bill(tip if till.tab.balance_minor >= till.tab.minimum_charge_minor else 0)
    for _ in range(4):
        for attempt in till.tab.attempts:
            {Operation.CAPTURE: till.captured, CHARGE: till.charged, Operation.RELEASE: till.released}[
                attempt.operation
            ]()

    taken = till.tab.paid_minor
    given_back = 0
    for number, amount in enumerate(asks):
        try:
            refund(till, amount)
        except (InvalidInput, NothingToPay, TransitionRefused):
            assert amount > till.tab.paid_minor or till.tab.balance_minor
            continue
        for leg in range(4):
            if till.tab.attempts:
                till.refunded(f"re_{number}_{leg}")
        given_back += amount
        check_invariants(till.tab)

    assert till.tab.attempts == ()
    assert till.tab.paid_minor == taken - given_back
    assert all(0 <= leg.refunded_minor <= leg.amount_minor for leg in till.tab.legs)
    assert till.books.get(A.CASH, 0) + till.books.get(A.STRIPE_BALANCE, 0) == till.tab.paid_minor
    assert A.REFUND_PAYABLE not in till.books
