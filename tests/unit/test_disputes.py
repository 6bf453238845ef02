"""Disputes: what a bank takes back, in any order of events, and what pauses until the decision."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import NothingToPay, TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.draft import check_invariants
from chalicelib.domain.tab.facts.attempt_outcomes import note_rejected
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, OWNER, STAFF, TRY_LATER, WITHOUT_CARD, Till

A = Account
OPENED, WITHDRAWN, REINSTATED, WON, LOST = (
    FactKind.DISPUTE_OPENED,
    FactKind.DISPUTE_WITHDRAWN,
    FactKind.DISPUTE_REINSTATED,
    FactKind.DISPUTE_WON,
    FactKind.DISPUTE_LOST,
)
PAID_BOOKS = {A.STRIPE_BALANCE: 50_00, A.SERVICE_REVENUE: -50_00}


def paid() -> Till:
    """A bill of 50, paid on the phone."""
    return Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()


def half_paid() -> Till:
    """Of a bill of 50, the hold of 20 was captured and the charge declined: 30 are owed, to be tried again."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)
    return till.accept_bill().captured().declined(Operation.CHARGE, failure=TRY_LATER)


def fee_paid() -> Till:
    """A no-show fee of 30, charged."""
    till = Till.booked(deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER).wait(hours=25)
    return till.do(booking.mark_no_show).wait(days=1).charged()


def test_dispute_opened() -> None:
    """The tab says so above all else, the owner is told, and nothing is posted before money moves."""
    till = paid().disputed(OPENED)

    assert till.tab.payment_state == PaymentState.DISPUTED
    assert till.tab.status == Status.CLOSED
    assert len(till.tab.legs[0].disputes) == 1
    assert till.told[-1] == (MessageKind.DISPUTED, Recipient.OWNER)
    assert till.books == PAID_BOOKS


def test_dispute_withdrawn() -> None:
    """What the bank has taken is a receivable from the dispute until it is decided."""
    till = paid().disputed(OPENED, WITHDRAWN)

    assert till.posted("dispute_withdrawn") == [(A.DISPUTES_RECEIVABLE, 50_00), (A.STRIPE_BALANCE, -50_00)]
    assert till.books == {A.DISPUTES_RECEIVABLE: 50_00, A.SERVICE_REVENUE: -50_00}


def test_dispute_withdrawn_is_the_first_we_hear() -> None:
    """The opening got lost: taking the money says as much."""
    till = paid().disputed(WITHDRAWN)

    assert till.tab.payment_state == PaymentState.DISPUTED
    assert till.told[-1] == (MessageKind.DISPUTED, Recipient.OWNER)


def test_dispute_reinstated() -> None:
    """The money is back as if it had never been taken."""
    till = paid().disputed(OPENED, WITHDRAWN, REINSTATED)

    assert till.posted("dispute_reinstated") == [(A.STRIPE_BALANCE, 50_00), (A.DISPUTES_RECEIVABLE, -50_00)]
    assert till.books == PAID_BOOKS


def test_dispute_won() -> None:
    """A payment like any other again, that may be refunded."""
    till = paid().disputed(OPENED, WITHDRAWN, WON, REINSTATED)

    assert till.tab.payment_state == PaymentState.PAID
    assert till.told[-1] == (MessageKind.DISPUTE_CLOSED, Recipient.OWNER)
    assert till.books == PAID_BOOKS
    assert till.do(payment.refund, None, "after all").open(Operation.REFUND).amount_minor == 50_00


def test_dispute_lost() -> None:
    """What was withdrawn is a loss, and the payment counts as written off."""
    till = paid().disputed(OPENED, WITHDRAWN, LOST)

    assert till.posted("dispute_lost") == [(A.BAD_DEBT, 50_00), (A.DISPUTES_RECEIVABLE, -50_00)]
    assert till.books == {A.BAD_DEBT: 50_00, A.SERVICE_REVENUE: -50_00}
    assert till.tab.payment_state == PaymentState.WRITTEN_OFF
    assert till.tab.paid_minor == 50_00


@pytest.mark.parametrize(
    ("story", "books", "state"),
    [
        ((OPENED, WITHDRAWN, LOST), {A.BAD_DEBT: 50_00, A.SERVICE_REVENUE: -50_00}, DisputeState.LOST),
        ((OPENED, WITHDRAWN, REINSTATED, WON), PAID_BOOKS, DisputeState.WON),
        # Lost, and yet given back: a bank has changed its mind.
        ((OPENED, WITHDRAWN, LOST, REINSTATED), PAID_BOOKS, DisputeState.LOST),
        ((OPENED, WITHDRAWN), {A.DISPUTES_RECEIVABLE: 50_00, A.SERVICE_REVENUE: -50_00}, DisputeState.OPEN),
    ],
    ids=["lost", "won", "lost, given back", "open"],
)
def test_dispute_news_in_any_order_makes_the_same_books(
    story: tuple[FactKind, ...], books: dict[Account, int], state: DisputeState
) -> None:
    """Every permutation of what is told ends alike, each change with sound books."""
    for order in permutations(story):
        till = paid()
        for kind in order:
            till.disputed(kind)
            check_invariants(till.tab)

        assert till.books == books, order
        (dispute,) = till.tab.legs[0].disputes
        assert dispute.state == state, order
        assert till.told.count((MessageKind.DISPUTED, Recipient.OWNER)) == 1


@given(order=st.permutations([OPENED, WITHDRAWN, LOST, WITHDRAWN, OPENED, LOST]), waived_after=st.integers(1, 6))
def test_a_fee_forgiven_while_it_is_disputed_ends_alike_in_any_order(order: list[FactKind], waived_after: int) -> None:
    """The bank gave the customer the fee back: it is no loss, nothing is refunded beside it, and nothing stays owed."""
    till = fee_paid()

    for kind in order[:waived_after]:
        till.disputed(kind, amount_minor=30_00)
    till.do(bill.waive, "ill")
    for kind in order[waived_after:]:
        till.disputed(kind, amount_minor=30_00)

    assert till.tab.refund_owed_minor == 0
    assert till.books == {}
    assert till.tab.paid_minor == 0
    assert till.wait(days=14).tab.status == Status.CLOSED
    assert "attempt_begun" not in till.kinds[till.kinds.index("dispute_opened") :]


def test_no_dispute_is_refunded_beside() -> None:
    """While it is open, and for ever where it is lost: the customer would be paid twice."""
    for kinds in ((OPENED,), (OPENED, WITHDRAWN), (OPENED, WITHDRAWN, LOST)):
        till = paid().disputed(*kinds)

        assert not till.allows(Action.REFUND)
        with pytest.raises(TransitionRefused):
            till.do(payment.refund, None, "please")


def test_an_obligation_rests_while_the_payment_is_disputed_and_is_met_when_it_is_won() -> None:
    """A bill adjusted meanwhile: the refund is made once the bank has given the money back."""
    till = paid().disputed(OPENED).do(bill.adjust, 20_00, "too much")
    assert till.tab.refund_owed_minor == 20_00
    assert till.tab.attempts == ()

    till.disputed(WON)

    assert till.open(Operation.REFUND).amount_minor == 20_00


def test_an_obligation_towards_who_has_won_the_dispute_is_met_by_the_bank() -> None:
    """Of the 50 that the bank took, 20 were owed back anyway: the loss is 30, and nothing is owed twice."""
    till = paid().disputed(OPENED, WITHDRAWN, LOST).do(bill.adjust, 20_00, "too much")

    assert till.posted("returned_by_bank") == [(A.CUSTOMER_RECEIVABLE, 20_00), (A.BAD_DEBT, -20_00)]
    assert till.books == {A.BAD_DEBT: 30_00, A.SERVICE_REVENUE: -30_00}
    assert till.tab.refund_owed_minor == 0
    assert till.tab.attempts == ()


def test_follow_up_rests_while_a_payment_is_disputed() -> None:
    """Neither reminders nor charges for the rest of the bill; both go on when the dispute is won."""
    till = half_paid()
    assert {StepKind.REMIND, StepKind.RETRY_CHARGE} <= set(till.planned)

    till.disputed(OPENED, payment_id="pi_hold", amount_minor=20_00)
    assert till.planned == {}
    till.wait(days=30)
    assert (MessageKind.REMINDER, Recipient.CUSTOMER) not in till.told

    till.disputed(WON, payment_id="pi_hold", amount_minor=20_00)
    assert till.open(Operation.CHARGE).amount_minor == 30_00


def test_no_card_is_charged_by_itself_after_a_lost_dispute() -> None:
    """Who went to the bank is asked, not charged: the reminders go on, the retries do not."""
    till = half_paid().disputed(OPENED, LOST, payment_id="pi_hold", amount_minor=20_00)

    assert set(till.planned) == {StepKind.REMIND}
    assert till.tab.expected_at is None


def test_the_business_charges_no_card_whose_owner_disputes_a_payment() -> None:
    """Neither while it is open nor after it was lost; the customer may, and cash is always good."""
    for kinds in ((OPENED,), (OPENED, LOST)):
        till = half_paid().disputed(*kinds, payment_id="pi_hold", amount_minor=20_00)

        assert not till.allows(Action.CHARGE_SAVED_CARD, STAFF)
        assert till.allows(Action.CHARGE_SAVED_CARD, ADA)
        assert till.allows(Action.PAY_ON_PHONE, ADA)
        assert till.allows(Action.TAKE_CASH, STAFF)


def test_a_review_that_ends_under_a_dispute_charges_when_it_is_won() -> None:
    """A part paid in the review is disputed: the rest waits."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    till.hear(till.fact(FactKind.CHARGED, "pi_early", 20_00)).disputed(
        OPENED, payment_id="pi_early", amount_minor=20_00
    )
    till.wait(days=1)
    assert till.tab.status == Status.DUE
    assert till.tab.attempts == ()

    till.disputed(WON, payment_id="pi_early", amount_minor=20_00)

    assert till.open(Operation.CHARGE).amount_minor == 30_00


def test_the_customer_may_pay_the_rest_while_they_dispute_a_part() -> None:
    """Paying is their own act, and ends what is owed."""
    till = half_paid().disputed(OPENED, payment_id="pi_hold", amount_minor=20_00)

    till.do(payment.pay_on_phone, by=ADA).charged("pi_rest")

    assert till.tab.balance_minor == 0
    assert till.tab.payment_state == PaymentState.DISPUTED


def test_a_dispute_of_a_payment_nobody_knows_calls_a_person() -> None:
    """Somebody's money: it is not dropped in silence."""
    till = paid().disputed(WITHDRAWN, payment_id="pi_stranger")

    assert "dp_1" in str(till.tab.flags)
    assert till.books == PAID_BOOKS


def test_a_second_dispute_of_one_payment_is_booked_as_the_first() -> None:
    """Two parts of one charge, each with its own story: 20 are won back, 30 lost."""
    till = paid()
    for kind in (OPENED, WITHDRAWN, WON, REINSTATED):
        till.hear(till.fact(kind, "dp_1", 20_00, payment_id="pi_charge"))
    for kind in (OPENED, WITHDRAWN):
        till.hear(till.fact(kind, "dp_2", 30_00, payment_id="pi_charge"))
    assert till.tab.payment_state == PaymentState.DISPUTED
    assert till.books == {A.STRIPE_BALANCE: 20_00, A.DISPUTES_RECEIVABLE: 30_00, A.SERVICE_REVENUE: -50_00}

    till.hear(till.fact(LOST, "dp_2", 30_00, payment_id="pi_charge"))

    assert till.tab.flags == ()
    assert till.books == {A.STRIPE_BALANCE: 20_00, A.BAD_DEBT: 30_00, A.SERVICE_REVENUE: -50_00}
    assert till.do(payment.refund, None, "the rest").open(Operation.REFUND).amount_minor == 20_00


def test_what_a_bank_took_is_counted_once_and_the_rest_goes_back() -> None:
    """Of 80, 30 were disputed and lost; the bill comes to nothing: the bank has met 30, we refund 50."""
    till = Till().serve(80_00).do(payment.pay_on_phone, by=ADA).charged()
    till.disputed(OPENED, WITHDRAWN, LOST, amount_minor=30_00).do(bill.adjust, 80_00, "all wrong")

    assert [entry.details["amount_minor"] for entry in till.entries if entry.kind == "returned_by_bank"] == [30_00]
    assert till.open(Operation.REFUND).amount_minor == 50_00
    till.refunded()

    assert till.books == {}
    assert (till.tab.payment_state, till.tab.paid_minor) == (PaymentState.NONE, 0)


def test_a_refund_beside_a_lost_dispute_goes_out_whole() -> None:
    """Of 80 the bank took 30. Who gives 20 back sends 20, and does not set the bank's 30 against it."""
    till = Till().serve(80_00).do(payment.pay_on_phone, by=ADA).charged()
    till.disputed(OPENED, WITHDRAWN, LOST, amount_minor=30_00)

    till.do(payment.refund, 20_00, "sorry")
    assert till.open(Operation.REFUND).amount_minor == 20_00
    till.refunded()

    assert (till.tab.amount_due_minor, till.tab.paid_minor) == (30_00, 30_00)
    assert till.books == {A.STRIPE_BALANCE: 30_00, A.SERVICE_REVENUE: -30_00}


def test_the_rest_of_a_charge_waits_while_a_bank_decides_on_a_part_of_it() -> None:
    """The charge says whether it can be refunded; open, a dispute says no, unless Stripe says otherwise."""
    till = Till().serve(80_00).do(payment.pay_on_phone, by=ADA).charged()
    till.disputed(OPENED, WITHDRAWN, amount_minor=30_00)
    assert not till.allows(Action.REFUND)

    till.hear(till.fact(OPENED, "dp_1", 30_00, payment_id="pi_charge", refundable=True))
    assert till.do(payment.refund, None, "the rest").open(Operation.REFUND).amount_minor == 50_00


def test_one_dispute_that_is_refundable_does_not_speak_for_another() -> None:
    """All disputes of a charge must say so."""
    till = paid()
    till.hear(
        till.fact(OPENED, "dp_1", 20_00, payment_id="pi_charge", refundable=True),
        till.fact(OPENED, "dp_2", 20_00, payment_id="pi_charge"),
    )
    assert not till.allows(Action.REFUND)

    till.hear(till.fact(LOST, "dp_2", 20_00, payment_id="pi_charge"))
    assert till.do(payment.refund, None, "the rest").open(Operation.REFUND).amount_minor == 10_00


def test_inquiry_opened_takes_nothing_and_refunding_is_possible() -> None:
    """The owner is told; follow-up, books and refunds are as before; what ends it is news, too."""
    till = paid().disputed(FactKind.INQUIRY_OPENED)
    assert till.tab.payment_state == PaymentState.PAID
    assert till.told[-1] == (MessageKind.INQUIRY, Recipient.OWNER)
    assert till.books == PAID_BOOKS

    assert till.do(payment.refund, None, "here").open(Operation.REFUND).amount_minor == 50_00


def test_inquiry_closed_is_an_end() -> None:
    """And one that comes before its beginning stays one."""
    till = paid().disputed(FactKind.INQUIRY_CLOSED, FactKind.INQUIRY_OPENED)

    assert [dispute.state for dispute in till.tab.legs[0].disputes] == [DisputeState.INQUIRY_CLOSED]
    assert till.told[-1] == (MessageKind.DISPUTE_CLOSED, Recipient.OWNER)


def test_an_inquiry_becomes_a_dispute_where_money_is_taken() -> None:
    """The withdrawal says as much, in any order; the owner hears of both."""
    for order in permutations((FactKind.INQUIRY_OPENED, OPENED, WITHDRAWN)):
        till = paid().disputed(*order)

        assert [dispute.state for dispute in till.tab.legs[0].disputes] == [DisputeState.OPEN], order
        assert till.books == {A.DISPUTES_RECEIVABLE: 50_00, A.SERVICE_REVENUE: -50_00}
        assert till.told.count((MessageKind.DISPUTED, Recipient.OWNER)) == 1


def test_dispute_prevented_is_an_end_as_won_is() -> None:
    """What the bank has kept can't be refunded; what it gave back can."""
    till = paid().disputed(OPENED, WITHDRAWN, FactKind.DISPUTE_PREVENTED)
    assert till.tab.payment_state == PaymentState.PAID
    assert not till.allows(Action.REFUND)

    till.disputed(REINSTATED)

    assert till.books == PAID_BOOKS
    assert till.allows(Action.REFUND)
    assert till.told[-1] == (MessageKind.DISPUTE_CLOSED, Recipient.OWNER)


def test_dispute_prevented_before_anything_was_taken() -> None:
    """Heard of only when it was over: nothing moved."""
    till = paid().disputed(FactKind.DISPUTE_PREVENTED)

    assert (till.tab.payment_state, till.books) == (PaymentState.PAID, PAID_BOOKS)
    assert till.do(payment.refund, None, "so").open(Operation.REFUND).amount_minor == 50_00


def test_dispute_appealed_is_open_again() -> None:
    """Lost, appealed, lost again; a decision from before the appeal that comes late is old news."""
    till = paid().disputed(OPENED, WITHDRAWN, LOST)
    old = till.fact(LOST, "dp_1", 50_00, payment_id="pi_charge")
    till.now += timedelta(days=1)
    till.disputed(FactKind.DISPUTE_APPEALED)
    assert till.tab.payment_state == PaymentState.DISPUTED
    assert till.books == {A.DISPUTES_RECEIVABLE: 50_00, A.SERVICE_REVENUE: -50_00}

    till.hear(old)
    assert till.tab.payment_state == PaymentState.DISPUTED

    till.now += timedelta(days=1)
    till.disputed(LOST)
    assert till.books == {A.BAD_DEBT: 50_00, A.SERVICE_REVENUE: -50_00}


def test_a_loss_that_met_an_obligation_and_was_given_back_is_owed_again() -> None:
    """The bank changes its mind: what counted as given back by it goes back by us."""
    till = paid().disputed(OPENED, WITHDRAWN, LOST).do(bill.adjust, 20_00, "too much")
    assert till.tab.refund_owed_minor == 0

    till.disputed(REINSTATED)

    assert till.open(Operation.REFUND).amount_minor == 20_00
    till.refunded()
    assert till.books == {A.STRIPE_BALANCE: 30_00, A.SERVICE_REVENUE: -30_00}


def test_a_dispute_lost_in_part_is_a_loss_in_part() -> None:
    """Of 50 taken, 20 come back and the dispute counts as lost: 30 are lost, 20 can be refunded."""
    for order in permutations(((WITHDRAWN, 50_00), (LOST, 50_00), (REINSTATED, 20_00))):
        till = paid().disputed(OPENED)
        till.hear(*(till.fact(kind, "dp_1", minor, payment_id="pi_charge") for kind, minor in order))

        assert till.books == {A.STRIPE_BALANCE: 20_00, A.BAD_DEBT: 30_00, A.SERVICE_REVENUE: -50_00}
        assert till.do(payment.refund, None, "the rest").open(Operation.REFUND).amount_minor == 20_00


OVERTAKEN = Failure(code="charge_for_pending_refund_disputed")


def refund_overtaken(till: Till) -> Till:
    """20 of 50 are on their way back when the bank takes the payment in dispute."""
    till.do(payment.refund, 20_00, "sorry")
    attempt = till.open(Operation.REFUND)
    till.hear(till.fact(FactKind.REFUND_PENDING, "re_1", 20_00, attempt_id=attempt.attempt_id, payment_id="pi_charge"))
    return till


def overtaking(till: Till) -> list[Fact]:
    return [
        till.fact(FactKind.REFUND_FAILED, "re_1", 20_00, payment_id="pi_charge", failure=OVERTAKEN),
        till.fact(OPENED, "dp_1", 50_00, payment_id="pi_charge"),
        till.fact(WITHDRAWN, "dp_1", 50_00, payment_id="pi_charge"),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("end", [WON, LOST])
def test_a_refund_that_a_dispute_overtook_waits_for_the_bank(order: tuple[int, ...], end: FactKind) -> None:
    """Nobody is asked to give it back another way. Won, it is refunded by itself; lost, the bank has met it."""
    till = refund_overtaken(paid())
    news = overtaking(till)
    for number in order:
        till.hear(news[number])

    assert (till.tab.refund_owed_minor, till.tab.attempts, till.tab.flags) == (20_00, (), ())
    assert not till.allows(Action.REFUND_ELSEWHERE, OWNER)
    assert not till.allows(Action.RETRY_REFUND, OWNER)
    assert (MessageKind.REFUND_FAILED, Recipient.OWNER) not in till.told

    till.disputed(end)
    if end == WON:
        till.disputed(REINSTATED)
        assert till.open(Operation.REFUND).amount_minor == 20_00
    else:
        assert (till.tab.refund_owed_minor, till.tab.attempts) == (0, ())
        assert till.books == {A.BAD_DEBT: 30_00, A.SERVICE_REVENUE: -30_00}


def test_a_refund_refused_for_a_dispute_we_have_not_heard_of_waits_for_its_news() -> None:
    """Asked for again a day later, not at once for ever; the owner is told not to give it back another way."""
    till = paid().do(payment.refund, 20_00, "sorry")
    till.end(note_rejected, Operation.REFUND, Failure(code="charge_disputed"))
    assert (till.tab.attempts, till.tab.flags) == ((), ())
    assert till.told[-1] == (MessageKind.REFUND_WAITS, Recipient.OWNER)

    till.wait(hours=23)
    assert till.tab.attempts == ()
    till.wait(hours=1)
    assert till.open(Operation.REFUND).amount_minor == 20_00


def test_a_contest_waived_under_a_dispute_is_met_once() -> None:
    """Forgiven by the business and taken by the bank: the customer gets it once."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    till.hear(till.fact(FactKind.CHARGED, "pi_charge", 20_00)).do(bill.contest, "bad", None, by=ADA)
    till.disputed(OPENED, WITHDRAWN, amount_minor=20_00).do(bill.resolve, Resolution.WAIVE, None, "sorry")
    assert till.tab.attempts == ()

    till.disputed(LOST, amount_minor=20_00)

    assert till.tab.status == Status.CLOSED
    assert till.books == {A.GOODWILL: 50_00, A.SERVICE_REVENUE: -50_00}
    with pytest.raises((TransitionRefused, NothingToPay)):
        till.do(payment.refund, None, "again", by=OWNER)


def test_two_disputed_payments_of_one_bill_are_two_stories() -> None:
    """One lost, one won: the loss is the one's alone."""
    till = half_paid().do(payment.pay_on_phone, by=ADA).charged("pi_rest")
    till.hear(
        till.fact(WITHDRAWN, "dp_a", 20_00, payment_id="pi_hold"),
        till.fact(WITHDRAWN, "dp_b", 30_00, payment_id="pi_rest"),
        till.fact(LOST, "dp_a", 20_00, payment_id="pi_hold"),
        till.fact(WON, "dp_b", 30_00, payment_id="pi_rest"),
        till.fact(REINSTATED, "dp_b", 30_00, payment_id="pi_rest"),
    )

    assert till.books == {A.BAD_DEBT: 20_00, A.STRIPE_BALANCE: 30_00, A.SERVICE_REVENUE: -50_00}
    till.wait_until(till.now + timedelta(days=90))
    assert till.tab.attempts == ()
    assert till.do(payment.refund, None, "so").open(Operation.REFUND).payment_id == "pi_rest"
