"""The ledger: the postings of each event as literals, and balanced books."""

from __future__ import annotations

import pytest

from chalicelib.domain.books.ledger import Account, Posting, post, transfer
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.status import PaymentState, Status
from tests.unit.till import CUSTOMER, EVERYTHING, WITH_CARD, WITHOUT_CARD, Till

A = Account


def posted(till: Till, kind: str) -> list[tuple[Account, int]]:
    """What the entries of this kind have posted."""
    return [
        (posting.account, posting.amount_minor)
        for entry in till.entries
        if entry.kind == kind
        for posting in entry.postings
    ]


def test_a_full_story_posts_bill_tax_tip_capture_and_charge() -> None:
    """A bill of 119 with 19 % tax, a tip of 5, 20 from the hold and 104 from the card."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    assert till.books == {}, "holds never post"
    item = ItemInput(description="Service", unit_price_minor=119_00, tax_basis_points=1_900)
    till.do(bill.add_items, [item])
    assert till.books == {}, "a running total is no debt"

    till.do(bill.complete)
    assert posted(till, "bill_presented") == [
        (A.CUSTOMER_RECEIVABLE, 100_00),
        (A.SERVICE_REVENUE, -100_00),
        (A.CUSTOMER_RECEIVABLE, 19_00),
        (A.TAX, -19_00),
    ]

    till.accept_bill(tip_minor=5_00)
    assert posted(till, "bill_accepted") == [], "a tip is due only in the moment it is paid"
    assert posted(till, "attempt_begun") == [], "nothing is posted before the money is there"

    till.captured().charged()
    assert posted(till, "captured") == [(A.STRIPE_BALANCE, 20_00), (A.CUSTOMER_RECEIVABLE, -20_00)]
    assert posted(till, "tip_given") == [(A.CUSTOMER_RECEIVABLE, 5_00), (A.TIPS, -5_00)]
    assert posted(till, "charged") == [(A.STRIPE_BALANCE, 104_00), (A.CUSTOMER_RECEIVABLE, -104_00)]
    assert till.books == {
        A.STRIPE_BALANCE: 124_00,
        A.SERVICE_REVENUE: -100_00,
        A.TAX: -19_00,
        A.TIPS: -5_00,
    }
    assert till.tab.status == Status.CLOSED


def test_a_fee_is_income_of_its_own() -> None:
    """No-show and late-cancel fees are no revenue of a service."""
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)

    till.do(booking.mark_no_show).wait(days=1).charged()

    assert till.books == {A.STRIPE_BALANCE: 30_00, A.FEES_INCOME: -30_00}


def test_a_waived_bill_is_goodwill() -> None:
    """The revenue stands; what was forgiven is a cost."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(bill.waive, "too short")

    assert till.books == {A.GOODWILL: 50_00, A.SERVICE_REVENUE: -50_00}
    assert till.tab.payment_state == PaymentState.NONE


def test_a_waived_fee_reverses_its_income_and_a_refund_ends_the_obligation() -> None:
    """Taken, forgiven, given back: nothing is left in the books."""
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)
    till.do(booking.mark_no_show).wait(days=1).charged().do(bill.waive, "ill")
    assert till.books == {A.STRIPE_BALANCE: 30_00, A.REFUND_PAYABLE: -30_00}

    till.refunded()

    assert till.books == {}


def test_what_is_paid_twice_is_owed_back_at_once() -> None:
    """The obligation is posted in the same change as the payment that made it."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill().charged()

    till.hear(till.fact(FactKind.CHARGED, "pi_twice", 50_00))

    assert till.books == {A.STRIPE_BALANCE: 100_00, A.SERVICE_REVENUE: -50_00, A.REFUND_PAYABLE: -50_00}
    assert posted(till, "refund_obligation") == [(A.REFUND_PAYABLE, -50_00), (A.CUSTOMER_RECEIVABLE, 50_00)]


def test_the_history_sums_to_the_balances() -> None:
    """Whoever adds up the entries finds the snapshot's books, numbered without a gap."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    till.serve(20_01).accept_bill(1).charged().captured()

    total: dict[Account, int] = {}
    for entry in till.entries:
        assert sum(posting.amount_minor for posting in entry.postings) == 0
        for posting in entry.postings:
            total[posting.account] = total.get(posting.account, 0) + posting.amount_minor

    assert total == till.tab.balances
    assert [entry.seq for entry in till.entries] == list(range(1, till.tab.entry_count + 1))


def test_a_payment_after_a_write_off_posts_a_recovery() -> None:
    """The debt was given up; what comes in all the same is a recovery, and nothing is refunded."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).wait(days=1)
    draft = till.draft()
    draft.update(written_off_minor=50_00)
    draft.record("written_off", postings=transfer(50_00, debit=A.BAD_DEBT, credit=A.CUSTOMER_RECEIVABLE))
    till._finish(draft)
    assert till.tab.balance_minor == 0

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 30_00))

    assert till.tab.written_off_minor == 20_00
    assert till.books == {
        A.STRIPE_BALANCE: 30_00,
        A.SERVICE_REVENUE: -50_00,
        A.BAD_DEBT: 50_00,
        A.RECOVERY: -30_00,
    }
    assert till.tab.refund_owed_minor == 0


def test_postings_that_do_not_balance_are_a_bug() -> None:
    """They are never written."""
    with pytest.raises(AssertionError, match="sum to zero"):
        post({}, (Posting(A.CASH, 1),))


def test_a_transfer_of_nothing_posts_nothing() -> None:
    """No empty lines in the books."""
    assert transfer(0, debit=A.CASH, credit=A.TIPS) == ()
    assert transfer(-5, debit=A.CASH, credit=A.TIPS) == (Posting(A.CASH, -5), Posting(A.TIPS, 5))


def test_processing_fee_is_a_cost_once_a_movement() -> None:
    """What the gateway keeps lowers its balance with us; the customer owes what they owed. Some may come back."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(100_00)
    till.accept_bill().charged()
    fee = till.fact(FactKind.PROCESSING_FEE, "txn_1", 1_75, payment_id="pi_charge")

    till.hear(fee, fee).hear(fee)
    till.hear(till.fact(FactKind.PROCESSING_FEE, "txn_2", -75, payment_id="pi_charge"))
    till.hear(till.fact(FactKind.PROCESSING_FEE, "txn_3", 1_00, payment_id="pi_of_nobody"))

    assert posted(till, "processing_fee") == [
        (A.STRIPE_FEES, 1_75), (A.STRIPE_BALANCE, -1_75), (A.STRIPE_FEES, -75), (A.STRIPE_BALANCE, 75)
    ]  # fmt: skip
    assert till.books == {A.STRIPE_BALANCE: 99_00, A.STRIPE_FEES: 1_00, A.SERVICE_REVENUE: -100_00}
    assert till.tab.payment_state == PaymentState.PAID
