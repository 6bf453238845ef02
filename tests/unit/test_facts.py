"""Facts: each kind, applied once or twice with the same result, in any order, in every status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import agenda, due_steps
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.draft import check_invariants
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.facts.attempt_outcomes import LADDER, note_absent, note_failed, note_rejected, note_unknown
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.payments import Card, DepositState, HoldState, LegKind
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    DECLINED,
    EVERYTHING,
    NOON,
    OTHER_CARD,
    OWNER,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)


def charging() -> Till:
    """A bill of 50 accepted, its charge on the way."""
    return Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()


def capturing() -> Till:
    """A bill of 50 accepted, its hold of 20 being captured."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    return till.serve(50_00).accept_bill()


def paid_fee_waived() -> Till:
    """A no-show fee of 30 was charged, and then waived: a refund is on its way."""
    till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25)
    return till.do(booking.mark_no_show).wait(days=1).charged().do(bill.waive, "ill")


# The currency


@pytest.mark.parametrize("kind", FactKind)
def test_no_fact_in_another_currency_is_applied(kind: FactKind) -> None:
    """Money rule 1: whatever it tells, it is flagged, once, and nothing else changes."""
    till = charging()
    before = till.tab
    stray = till.fact(kind, "pi_yen", 50_00, currency="JPY", payment_id="pi_yen")

    till.hear(stray).hear(stray)

    assert [flag.reason for flag in till.tab.flags] == [
        f"{kind.replace('_', ' ').capitalize()}: pi_yen is in JPY, this tab in EUR. It was not booked."
    ]
    assert till.kinds.count("flagged") == 1
    kept = ("legs", "holds", "attempts", "balances", "status", "card", "plan")
    assert [getattr(till.tab, name) for name in kept] == [getattr(before, name) for name in kept]


# Each kind by name


def test_hold_placed() -> None:
    """The attempt has succeeded, and a live hold secures the deposit."""
    till = Till.booked().accept(*WITH_CARD, customer=CUSTOMER)
    attempt_id = till.open(Operation.PLACE_HOLD).attempt_id

    till.hold_placed()

    assert till.closed[attempt_id].state == AttemptState.SUCCEEDED
    assert till.tab.holds[0].attempt_id == attempt_id
    assert till.tab.deposit.state == DepositState.HELD


def test_hold_captured() -> None:
    """The capture is a leg, posted against the receivable."""
    till = capturing().captured()

    assert [(leg.kind, leg.amount_minor) for leg in till.tab.legs] == [(LegKind.CAPTURE, 20_00)]
    assert till.tab.holds[0].captured_minor == 20_00
    assert till.books[Account.STRIPE_BALANCE] == 20_00


def test_charged() -> None:
    """The charge is a leg, and the tab is paid."""
    till = charging().charged()

    assert [(leg.kind, leg.amount_minor) for leg in till.tab.legs] == [(LegKind.CHARGE, 50_00)]
    assert till.tab.payment_state == PaymentState.PAID


def test_awaiting_customer() -> None:
    """The bank's question waits for the customer with what the phone needs: for half an hour, as they are there."""
    till = charging().awaiting(Operation.CHARGE)

    attempt = till.open(Operation.CHARGE)
    assert attempt.state == AttemptState.AWAITING_CUSTOMER
    assert attempt.client_secret == "pi_asks_secret"
    assert till.tab.next_action_at == till.now + timedelta(minutes=30)
    assert (MessageKind.CONFIRMATION_NEEDED, Recipient.CUSTOMER) not in till.told


def test_processing() -> None:
    """A payment that takes its time is asked for again, and nothing is paid yet."""
    till = charging()

    till.hear(till.fact(FactKind.PROCESSING, "pi_1", attempt_id=till.open(Operation.CHARGE).attempt_id))

    assert till.open(Operation.CHARGE).state == AttemptState.UNKNOWN
    assert till.open(Operation.CHARGE).payment_id == "pi_1"
    assert till.tab.paid_minor == 0


def test_processing_told_eight_times_does_not_use_up_the_ladder() -> None:
    """News of what is known already: only what we ask ourselves counts, and nobody is called early."""
    till = charging()
    attempt_id = till.open(Operation.CHARGE).attempt_id

    for minute in range(8):
        till.now += timedelta(seconds=10 * minute)
        till.hear(till.fact(FactKind.PROCESSING, "pi_1", attempt_id=attempt_id))

    assert (till.open(Operation.CHARGE).checks, till.tab.flags) == (2, ())
    assert till.tab.next_action_at is not None
    assert till.tab.next_action_at <= till.now + timedelta(minutes=5)


def test_declined() -> None:
    """The attempt has failed with the bank's reason; the bill stays due."""
    till = charging()
    attempt_id = till.open(Operation.CHARGE).attempt_id

    till.declined(Operation.CHARGE)

    assert till.closed[attempt_id].state == AttemptState.FAILED
    assert till.closed[attempt_id].failure == DECLINED
    assert till.tab.payment_state == PaymentState.OWED


def test_payment_canceled_of_a_charge_that_waited() -> None:
    """The question was not answered: the card is not charged again without the customer, who is reminded."""
    till = charging().awaiting(Operation.CHARGE)

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_asks"))

    assert till.tab.attempts == ()
    assert till.tab.balance_minor == 50_00
    assert [step.kind for step in agenda.steps(till.tab)] == [StepKind.REMIND]


def test_payment_canceled_of_a_hold() -> None:
    """A hold canceled elsewhere secures nothing any more."""
    till = Till.booked().accept(*WITHOUT_CARD).hold_placed()

    till.hear(till.fact(FactKind.PAYMENT_CANCELED, "pi_hold"))

    assert till.tab.holds[0].state == HoldState.RELEASED
    assert till.tab.deposit.state == DepositState.RELEASED


def test_payment_expired() -> None:
    """The bank let go of the money; nothing was posted, and nothing is."""
    till = Till.booked().accept(*WITHOUT_CARD).hold_placed()

    till.hear(till.fact(FactKind.PAYMENT_EXPIRED, "pi_hold"))

    assert till.tab.deposit.state == DepositState.EXPIRED
    assert till.books == {}


def test_card_saved() -> None:
    """With consent the card is on the tab."""
    till = Till().accept(*WITH_CARD)

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=CARD))

    assert till.tab.may_use_card


def test_card_saved_without_consent_changes_nothing() -> None:
    """A card that nobody agreed to be kept is not."""
    till = Till().accept(*WITHOUT_CARD)
    before = till.tab

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_1", card=CARD))

    assert till.tab == before


def test_refund_pending_then_refunded() -> None:
    """Pending money is owed to the customer until it has gone; the tab says so all the while."""
    till = paid_fee_waived()
    attempt = till.open(Operation.REFUND)

    till.hear(
        till.fact(FactKind.REFUND_PENDING, "re_1", 30_00, attempt_id=attempt.attempt_id, payment_id=attempt.payment_id)
    )
    assert till.tab.payment_state == PaymentState.REFUND_OWED
    assert till.books[Account.REFUND_PAYABLE] == -30_00
    assert till.tab.attempts == ()

    till.hear(till.fact(FactKind.REFUNDED, "re_1", 30_00, payment_id=attempt.payment_id))
    assert till.tab.payment_state == PaymentState.NONE
    assert till.books == {}


def test_refunded() -> None:
    """The money has gone back: the leg counts nothing, the obligation is met, the attempt has succeeded."""
    till = paid_fee_waived()
    attempt_id = till.open(Operation.REFUND).attempt_id

    till.refunded()

    assert till.closed[attempt_id].state == AttemptState.SUCCEEDED
    assert till.tab.legs[0].refunds == {"re_1": 30_00}
    assert till.posted("refunded") == [(Account.CUSTOMER_RECEIVABLE, 30_00), (Account.STRIPE_BALANCE, -30_00)]
    assert till.tab.payment_state == PaymentState.NONE


def test_refund_failed_reopens_the_obligation_and_calls_a_person() -> None:
    """The same refund is not tried for ever: the money must go back another way."""
    till = paid_fee_waived()
    attempt = till.open(Operation.REFUND)
    till.hear(
        till.fact(FactKind.REFUND_PENDING, "re_1", 30_00, attempt_id=attempt.attempt_id, payment_id=attempt.payment_id)
    )

    till.hear(till.fact(FactKind.REFUND_FAILED, "re_1", 30_00, payment_id=attempt.payment_id))

    assert till.tab.refund_owed_minor == 30_00
    assert till.tab.flags
    assert till.tab.attempts == ()


def test_a_refund_that_failed_after_it_went_through_comes_back_into_the_balance() -> None:
    """Days later the bank sends it back: owed again."""
    till = paid_fee_waived().refunded()

    till.hear(till.fact(FactKind.REFUND_FAILED, "re_1", 30_00, payment_id="pi_charge"))

    assert till.tab.refund_owed_minor == 30_00
    assert till.books == {Account.STRIPE_BALANCE: 30_00, Account.REFUND_PAYABLE: -30_00}


# Out of order


def test_a_capture_heard_before_its_placement() -> None:
    """The money is in the books once, whichever event came first."""
    till = capturing()
    placed = till.fact(
        FactKind.HOLD_PLACED, "pi_other", 20_00, attempt_id="att_x", capture_before=till.now + timedelta(days=7)
    )

    till.hear(till.fact(FactKind.HOLD_CAPTURED, "pi_other", 20_00, attempt_id="att_x")).hear(placed)

    assert till.tab.paid_minor == 20_00
    assert till.tab.hold("pi_other").state == HoldState.CAPTURED  # type: ignore[union-attr]


def test_a_hold_captured_past_us_that_goes_back_at_once_is_told() -> None:
    """In the dashboard, when nothing was done and we let go of it: the customer hears why money comes back."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().do(bill.complete)
    till.hear(till.fact(FactKind.HOLD_CAPTURED, "pi_hold", 20_00))

    assert till.open(Operation.REFUND).amount_minor == 20_00
    assert (MessageKind.REFUND, Recipient.CUSTOMER) in till.told


def test_a_charge_heard_after_its_attempt_was_given_up() -> None:
    """Money that came in is money that came in."""
    till = charging()
    attempt_id = till.open(Operation.CHARGE).attempt_id
    till.declined(Operation.CHARGE)

    till.hear(till.fact(FactKind.CHARGED, "pi_1", 50_00, attempt_id=attempt_id))

    assert till.tab.status == Status.CLOSED
    assert till.tab.paid_minor == 50_00


def test_news_of_a_hold_after_its_cancellation_can_be_undone() -> None:
    """An outdated placement makes a hold in our books only; releasing it brings the cancellation once more."""
    till = Till.booked(in_hours=72).accept(*WITHOUT_CARD)
    attempt = till.open(Operation.PLACE_HOLD)
    canceled = till.fact(FactKind.PAYMENT_CANCELED, "pi_hold", attempt_id=attempt.attempt_id)
    placed = till.fact(
        FactKind.HOLD_PLACED,
        "pi_hold",
        20_00,
        attempt_id=attempt.attempt_id,
        capture_before=till.now + timedelta(days=7),
    )
    till.hear(canceled).hear(placed).do(booking.cancel, "closed")
    assert till.open(Operation.RELEASE)

    till.hear(canceled)

    assert till.tab.attempts == ()
    assert till.tab.status == Status.CLOSED


def test_a_refund_that_failed_before_it_was_heard_of_stays_failed() -> None:
    """The pending refund that is announced after its failure is no money on its way."""
    till = paid_fee_waived()
    attempt = till.open(Operation.REFUND)
    pending = till.fact(
        FactKind.REFUND_PENDING, "re_1", 30_00, attempt_id=attempt.attempt_id, payment_id=attempt.payment_id
    )
    failed = till.fact(
        FactKind.REFUND_FAILED, "re_1", 30_00, attempt_id=attempt.attempt_id, payment_id=attempt.payment_id
    )

    till.hear(failed).hear(pending)

    assert till.tab.refund_owed_minor == 30_00
    assert till.tab.flags
    assert till.tab.attempts == ()


def test_a_refund_of_a_payment_nobody_knows_calls_a_person() -> None:
    """It is not dropped in silence."""
    till = charging()

    till.hear(till.fact(FactKind.REFUNDED, "re_1", 10_00, payment_id="pi_stranger"))

    assert till.tab.flags


@pytest.mark.parametrize("command", [booking.cancel, bill.waive])
def test_a_late_charge_is_adopted_and_given_back(command: Callable[..., None]) -> None:
    """A charge that was given up and yet came through, after the tab owed nothing any more, is refunded whole."""
    if command is booking.cancel:
        till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER)
    else:
        till = charging().end(note_absent, Operation.CHARGE).declined(Operation.CHARGE)
    till.do(command, "a mistake")
    assert till.tab.status == Status.CLOSED

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 50_00, attempt_id="att_gone"))
    assert till.open(Operation.REFUND).amount_minor == 50_00
    assert till.books[Account.REFUND_PAYABLE] == -50_00

    till.refunded()
    assert till.tab.paid_minor == 0
    assert Account.REFUND_PAYABLE not in till.books


def test_a_flag_for_another_reason_does_not_stop_a_refund() -> None:
    """A tab that a person has to look at still gives back what it owes."""
    till = charging()
    for _ in range(len(LADDER) + 1):
        till.end(note_unknown, Operation.CHARGE)
    assert till.tab.flags
    till.end(note_absent, Operation.CHARGE).declined(Operation.CHARGE).do(bill.waive, "enough")

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 50_00, attempt_id="att_gone"))

    assert till.open(Operation.REFUND).amount_minor == 50_00


def test_a_refund_that_was_refused_is_not_tried_for_ever() -> None:
    """The gateway calls the refund wrong: asked for once more, then left to a person."""
    till = paid_fee_waived().end(note_rejected, Operation.REFUND, Failure(code="charge_already_refunded"))
    assert not due_steps.still_holds(till.tab, till.open(Operation.REFUND), till.now)

    till.end(note_absent, Operation.REFUND)

    assert till.tab.attempts == ()
    assert till.tab.refund_by_hand_minor == 30_00
    assert [flag.kind for flag in till.tab.flags] == [FlagKind.REFUND_BY_HAND]
    assert list(agenda.steps(till.tab)) == []


def test_refunds_are_taken_from_the_newest_leg_first() -> None:
    """A bill paid by capture and charge, paid once more by mistake, gives back the last payment."""
    till = capturing().captured().charged("pi_charge")

    till.hear(till.fact(FactKind.CHARGED, "pi_twice", 30_00, attempt_id="att_gone"))

    assert till.open(Operation.REFUND).payment_id == "pi_twice"
    assert till.open(Operation.REFUND).amount_minor == 30_00


# Unknown outcomes


def test_the_ladder_is_2_5_10_30_60_minutes_and_then_a_person_is_told() -> None:
    """After the last rung the tab is flagged, once, and asked about every six hours."""
    till = charging()
    waits = []

    for _ in range(7):
        till.end(note_unknown, Operation.CHARGE)
        assert till.tab.next_action_at is not None
        waits.append((till.tab.next_action_at - till.now).total_seconds() / 60)
        till.now = till.tab.next_action_at

    assert waits == [2, 5, 10, 30, 60, 360, 360]
    assert till.kinds.count("flagged") == 1


def test_an_unknown_outcome_is_never_forgotten() -> None:
    """However long the gateway is silent, the tab stays in the agenda."""
    till = charging()
    till.now += timedelta(days=30)

    till.end(note_unknown, Operation.CHARGE)

    assert till.tab.next_action_at is not None
    assert till.tab.next_action_at <= till.now + timedelta(days=1)


def test_an_attempt_given_up_at_the_end_of_the_ladder_is_told_to_a_person() -> None:
    """What could not be done in five tries is not tried on in silence."""
    till = charging()
    for _ in LADDER:
        till.end(note_unknown, Operation.CHARGE)

    till.end(note_absent, Operation.CHARGE)

    assert till.tab.flags


def test_a_failed_attempt_leaves_its_reason() -> None:
    """note_failed closes the attempt and stops the card from being used by the plan."""
    till = charging().end(note_failed, Operation.CHARGE, DECLINED)

    assert [attempt.state for attempt in till.closed.values()] == [AttemptState.FAILED]


# Any order


def _facts() -> st.SearchStrategy[list[Fact]]:
    """News about one bill's payments as a confused network might deliver it, consistent object by object."""
    later = NOON + timedelta(days=7)

    def of_hold(payment_id: str, attempt_id: str | None) -> st.SearchStrategy[list[Fact]]:
        placed = Fact(
            kind=FactKind.HOLD_PLACED,
            object_id=payment_id,
            at=NOON,
            amount_minor=20_00,
            attempt_id=attempt_id,
            capture_before=later,
            card=CARD,
        )
        asked = Fact(kind=FactKind.AWAITING_CUSTOMER, object_id=payment_id, at=NOON, attempt_id=attempt_id)
        ends = [
            Fact(kind=kind, object_id=payment_id, at=NOON, amount_minor=amount, attempt_id=attempt_id)
            for kind, amount in [
                (FactKind.HOLD_CAPTURED, 20_00),
                (FactKind.HOLD_CAPTURED, 7_00),
                (FactKind.PAYMENT_CANCELED, 0),
                (FactKind.PAYMENT_EXPIRED, 0),
            ]
        ]
        return st.sampled_from(ends).map(lambda end: [asked, placed, end])

    def of_charge(payment_id: str, attempt_id: str | None, amount: int) -> st.SearchStrategy[list[Fact]]:
        def fact(kind: FactKind, **more: object) -> Fact:
            return Fact(kind=kind, object_id=payment_id, at=NOON, attempt_id=attempt_id, **more)  # type: ignore[arg-type]

        asked = fact(FactKind.AWAITING_CUSTOMER)
        declined = fact(FactKind.DECLINED, failure=DECLINED, occurrence="ch_1")
        charged = fact(FactKind.CHARGED, amount_minor=amount)
        refunds = [
            Fact(
                kind=kind,
                object_id=f"re_{payment_id}",
                at=NOON,
                amount_minor=amount // 2,
                attempt_id="att_re",
                payment_id=payment_id,
            )
            for kind in (FactKind.REFUND_PENDING, FactKind.REFUNDED, FactKind.REFUND_FAILED)
        ]
        disputed = [
            Fact(kind=kind, object_id=f"dp_{payment_id}", at=NOON, amount_minor=amount, payment_id=payment_id)
            for kind in (
                FactKind.DISPUTE_OPENED,
                FactKind.DISPUTE_WITHDRAWN,
                FactKind.DISPUTE_REINSTATED,
                FactKind.DISPUTE_WON,
                FactKind.DISPUTE_LOST,
            )
        ]
        paid = [asked, declined, charged]
        return st.sampled_from(
            [
                [*paid, *refunds],
                paid,
                [*paid, *disputed[:4]],
                [*paid, disputed[0], disputed[1], disputed[4], refunds[0], refunds[1]],
                [asked, declined, fact(FactKind.PROCESSING), fact(FactKind.PAYMENT_CANCELED)],
            ]
        )

    saved = [
        Fact(kind=FactKind.CARD_SAVED, object_id=f"seti_{card.last4}", at=NOON, card=card)
        for card in (CARD, OTHER_CARD, Card(card_id="pm_x", brand="visa", last4="1111", saved_at=NOON))
    ]
    gone = [
        Fact(kind=FactKind.CARD_REMOVED, object_id=CARD.card_id, at=NOON),
        Fact(kind=FactKind.CARD_UPDATED, object_id=OTHER_CARD.card_id, at=NOON, card=replace(OTHER_CARD, last4="9")),
    ]
    everything = st.tuples(
        st.just(gone),
        of_hold("pi_hold", "att_hold"),
        of_hold("pi_stray", None),
        of_charge("pi_charge", "att_charge", 30_00),
        of_charge("pi_late", "att_gone", 50_00),
        st.just(saved),
    ).map(lambda groups: [fact for group in groups for fact in group])
    return everything.flatmap(st.permutations).flatmap(
        lambda facts: st.integers(0, len(facts)).map(lambda length: facts[:length])
    )


def _with_attempt_id(fact: Fact, till: Till) -> Fact:
    """Facts name the attempts of this very tab where it has them open."""
    names = {
        "att_hold": next((a.attempt_id for a in till.tab.attempts if a.operation == Operation.PLACE_HOLD), "att_hold"),
        "att_charge": next((a.attempt_id for a in till.tab.attempts if a.operation == Operation.CHARGE), "att_charge"),
    }
    return replace(fact, attempt_id=names.get(fact.attempt_id or "", fact.attempt_id))


STARTS: dict[str, Callable[[], Till]] = {
    "booked, hold on the way": lambda: Till.booked().accept(*EVERYTHING, customer=CUSTOMER),
    "booked, phone asked": lambda: Till.booked().accept(*EVERYTHING),
    "open": Till,
    "in review": lambda: Till(deposit_minor=20_00).accept(*EVERYTHING).serve(50_00),
    "charging": charging,
    "capturing": capturing,
    "on the phone": lambda: Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA),
    "no-show": lambda: (
        Till.booked().accept(*EVERYTHING, customer=CUSTOMER).hold_placed().wait(hours=25).do(booking.mark_no_show)
    ),
    "canceled": lambda: Till.booked().accept(*WITHOUT_CARD).do(booking.cancel, "ill"),
    "fee waived": paid_fee_waived,
    "closed": lambda: charging().charged(),
    "contested": lambda: charging().do(bill.contest, "bad", 20_00, by=ADA),
    "contested, held": lambda: (
        Till(deposit_minor=20_00)
        .accept(*EVERYTHING, customer=CUSTOMER)
        .hold_placed()
        .serve(50_00)
        .do(bill.contest, "bad", 20_00, by=ADA)
    ),
    "to be tried again": lambda: (
        Till()
        .accept(*EVERYTHING, customer=CUSTOMER)
        .serve(50_00)
        .accept_bill(5_00)
        .declined(Operation.CHARGE, failure=TRY_LATER)
    ),
    "partly in cash": lambda: Till().serve(50_00).do(payment.take_cash, 20_00),
    "a tip on the phone": lambda: charging().charged("pi_0").do(payment.tip, 30_00, by=ADA),
    "written off": lambda: Till().serve(50_00).accept_bill().do(bill.write_off, "gone", by=OWNER),
}


@pytest.mark.parametrize("start", STARTS, ids=list(STARTS))
@settings(max_examples=30)
@given(data=st.data())
def test_facts_in_any_order_keep_the_books_and_count_once(start: str, data: st.DataObject) -> None:
    """Never refused, never twice: after each fact the invariants hold, and the same fact again changes nothing."""
    till = STARTS[start]()

    for plain in data.draw(_facts(), "facts"):
        fact = _with_attempt_id(plain, till)
        till.hear(fact)
        check_invariants(till.tab)
        assert min(till.tab.balance_minor, till.tab.refund_owed_minor, till.tab.amount_due_minor) >= 0
        assert -till.tab.balances.get(Account.REFUND_PAYABLE, 0) >= 0

        if fact.kind == FactKind.PROCESSING:
            # Heard again it is asked for later: it moves no money, and the ladder counts how often.
            continue
        till.known_facts.clear()
        again = till.draft()
        apply_fact(again, fact)
        assert again.is_empty, f"{fact.kind} twice is not {fact.kind} once"


def test_a_stray_payment_during_the_review_is_no_acceptance() -> None:
    """The late effect of an attempt given up long ago is adopted; the bill stays under review, no card is charged."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00)

    till.hear(till.fact(FactKind.CHARGED, "pi_late", 20_00, attempt_id="att_gone"))

    assert till.tab.status == Status.IN_REVIEW
    assert till.tab.paid_minor == 20_00
    assert till.tab.attempts == ()


def test_a_tab_whose_refund_is_pending_does_not_close() -> None:
    """It closes when the money has gone back."""
    till = Till().serve(50_00).hear(Till().fact(FactKind.CHARGED, "pi_much", 70_00))
    refund = till.open(Operation.REFUND)
    given = {"attempt_id": refund.attempt_id, "payment_id": refund.payment_id}

    till.hear(till.fact(FactKind.REFUND_PENDING, "re_1", 20_00, **given))
    assert till.tab.status == Status.IN_REVIEW

    till.hear(till.fact(FactKind.REFUNDED, "re_1", 20_00, **given))
    assert till.tab.status == Status.CLOSED
