"""A saved card that is removed or replaced: its deposit, its planned charges, and the messages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import Card, DepositState
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import ADA, CARD, CUSTOMER, EVERYTHING, TRY_LATER, WITH_CARD, Till


def remove(till: Till, card: Card = CARD) -> Till:
    return till.hear(till.fact(FactKind.CARD_REMOVED, card.card_id))


def booked_far_ahead() -> Till:
    """In ten days, with a deposit that is to be held on the saved card two days before."""
    return Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER)


def test_card_removed() -> None:
    """The deposit it was to secure is wanted again, with time to answer, and both sides are told."""
    till = remove(booked_far_ahead())

    assert till.tab.card is None
    assert till.tab.deposit.state == DepositState.WANTED
    assert set(till.planned) == {StepKind.LAPSE_DEPOSIT}
    assert till.told == [
        (MessageKind.CARD_REMOVED, Recipient.CUSTOMER),
        (MessageKind.PROTECTION_LOST, Recipient.OWNER),
    ]


def test_card_removed_by_its_own_name_only() -> None:
    """Another card of the customer's is nothing to this tab."""
    till = booked_far_ahead()
    before = till.tab

    remove(till, replace(CARD, card_id="pm_other"))

    assert till.tab == before
    assert till.told == []


def test_card_removed_leaves_a_live_hold_alone() -> None:
    """What is held is held: the deposit stays secured."""
    till = remove(Till.booked().accept(*WITH_CARD, customer=CUSTOMER).hold_placed())

    assert till.tab.deposit.state == DepositState.HELD
    assert till.told == [(MessageKind.CARD_REMOVED, Recipient.CUSTOMER)]


def test_card_removed_ends_its_retries() -> None:
    """There is nothing to try again; the reminders go on."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    till.declined(Operation.CHARGE, failure=TRY_LATER)

    remove(till)

    assert set(till.planned) == {StepKind.REMIND}
    assert till.tab.expected_at is None


def test_card_removed_in_the_review_is_not_charged_at_its_end() -> None:
    """Consent without a card charges nothing: the bill falls due, and the customer is reminded."""
    till = remove(Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00))
    assert till.tab.expected_at is None

    till.wait(days=1)

    assert till.tab.attempts == ()
    assert set(till.planned) == {StepKind.REMIND, StepKind.TELL_END}


def test_card_removed_and_another_saved() -> None:
    """The deposit goes on with the new one, at the time that was planned."""
    new = Card(card_id="pm_new", brand="visa", last4="1111", saved_at=CARD.saved_at)
    till = remove(booked_far_ahead())

    till.hear(till.fact(FactKind.CARD_SAVED, "seti_2", card=new))

    assert till.tab.deposit.state == DepositState.CARD_SAVED
    assert set(till.planned) == {StepKind.PLACE_HOLD}


def test_card_removed_and_nobody_answers() -> None:
    """The deposit lapses as one that was never confirmed."""
    till = remove(booked_far_ahead()).wait(seconds=Policy().deposit_lapse_s)

    assert till.tab.deposit.state == DepositState.LAPSED


def test_card_updated() -> None:
    """The bank has replaced it: other digits under the same id, and everything else goes on."""
    till = booked_far_ahead()
    new = replace(CARD, last4="9999")

    till.hear(till.fact(FactKind.CARD_UPDATED, "pm_visa", card=new, occurrence="9999"))

    assert till.tab.card == new
    assert till.tab.deposit.state == DepositState.CARD_SAVED
    assert till.told == []


def test_card_updated_of_another_card_changes_nothing() -> None:
    """The customer's other cards are nothing to this tab."""
    till = booked_far_ahead()
    before = till.tab

    till.hear(till.fact(FactKind.CARD_UPDATED, "pm_x", card=replace(CARD, card_id="pm_x"), occurrence="1"))

    assert till.tab == before


def test_a_charge_under_way_is_not_stopped_by_the_cards_removal() -> None:
    """It has been sent: its outcome is asked for like any other."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()

    remove(till).charged()

    assert till.tab.paid_minor == 50_00


def test_a_card_removed_between_decline_and_balance_leaves_the_hold_to_pay() -> None:
    """The hold needs no card: what it covers is captured, the rest stays due."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    remove(till).accept_bill().captured()

    assert till.tab.balance_minor == 30_00
    assert till.tab.attempts == ()


@pytest.mark.parametrize("twice", [False, True])
def test_customer_gone(twice: bool) -> None:
    """The tab forgets the customer at the gateway and the card that went with them; both sides hear of the card."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00)
    gone = till.fact(FactKind.CUSTOMER_GONE, str(till.tab.customer_ref))

    for _ in range(1 + twice):
        till.hear(gone)

    assert (till.tab.customer_ref, till.tab.card) == (None, None)
    assert till.kinds.count("customer_gone") == till.kinds.count("card_removed") == 1


def test_customer_gone_prepares_what_waits_to_be_sent_anew() -> None:
    """A payment for the phone that met it has made nothing: it is the same attempt, under another key."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA)
    attempt = till.open(Operation.CHARGE)

    till.hear(till.fact(FactKind.CUSTOMER_GONE, str(attempt.customer_ref), attempt_id=attempt.attempt_id))

    again = till.open(Operation.CHARGE)
    assert (again.attempt_id, again.customer_ref, again.redone) == (attempt.attempt_id, None, 1)
