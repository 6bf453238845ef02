"""Refusals: the reason and its context; and that each limit itself is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.errors import (
    AmountOffStep,
    AmountTooLarge,
    AmountTooSmall,
    CapExceeded,
    CardRefused,
    CurrencyMismatch,
    DomainError,
    Forbidden,
    InvalidInput,
    NoCard,
    NotFound,
    NothingToPay,
    PaymentInProgress,
    PromiseChanged,
    PromiseNotAccepted,
    TransitionRefused,
)
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.commands.bill import MAXIMUM_QUANTITY, ItemInput
from chalicelib.domain.tab.commands.booking import MAXIMUM_LEAD, Limits
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import AcceptanceMethod, Consent
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import MAXIMUM_ITEMS
from tests.unit.till import (
    ADA,
    CUSTOMER,
    EVERYTHING,
    MERCHANT,
    NOON,
    OWNER,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
    acceptance,
)


def billed(price: int = 50_00, **given: Any) -> Till:
    return Till(**given).accept(*WITHOUT_CARD).serve(price)


def paid() -> Till:
    return billed().do(payment.pay_on_phone, by=ADA).charged()


def held_no_show() -> Till:
    return Till.booked().accept(*WITHOUT_CARD).hold_placed().wait(hours=25).do(booking.mark_no_show)


def no_show(**given: Any) -> Till:
    return Till.booked(deposit_minor=0, **given).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)


def charging() -> Till:
    return Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()


STOLEN = Failure(code="card_declined", decline_code="stolen_card")


def upheld_before_the_start() -> Till:
    till = Till.booked(in_hours=240).accept(*EVERYTHING, customer=CUSTOMER).do(booking.check_in).serve(50_00)
    return till.do(bill.contest, "too dear", None, by=ADA).do(bill.resolve, Resolution.UPHOLD, None, "as agreed")


def held(price: int, *consents: Consent) -> Till:
    return Till(deposit_minor=20_00).accept(*consents, customer=CUSTOMER).hold_placed().serve(price)


def items(*prices: int, **given: Any) -> list[ItemInput]:
    return [ItemInput(description="Service", unit_price_minor=price, **given) for price in prices]


def proposed_below_what_is_on_the_tab() -> Till:
    till = Till().accept(*WITHOUT_CARD).do(booking.propose_promise, Limits(cap_minor=70_00))
    return till.do(bill.add_items, items(80_00))


def in_yen(**given: Any) -> Till:
    return Till(merchant=replace(MERCHANT, currency="KWD", settlement_currency="KWD"), **given)


def with_residue() -> Till:
    """Thirty cents are left, which no card may be charged."""
    return Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(payment.take_cash, 49_70).wait(days=1)


Case = tuple[Callable[[], Till], Callable[[Till], object], type[DomainError], dict[str, object]]
CASES: dict[str, Case] = {
    # By whom and when
    "not staff's to do": (
        billed,
        lambda till: till.do(bill.accept_bill, 0),
        Forbidden,
        {"role": "staff"},
    ),
    "not in this status": (
        billed,
        lambda till: till.do(bill.complete),
        TransitionRefused,
        {"status": Status.IN_REVIEW},
    ),
    "a payment is under way": (
        charging,
        lambda till: till.do(payment.take_cash, 1_00),
        PaymentInProgress,
        {"attempt_id": charging().open(Operation.CHARGE).attempt_id, "attempt_state": "pending"},
    ),
    "a no-show before the grace is over": (
        Till.booked,
        lambda till: till.wait(hours=24).do(booking.mark_no_show),
        TransitionRefused,
        {"status": Status.BOOKED, "from_at": instants.text(NOON + timedelta(hours=24, minutes=15))},
    ),
    # The promise
    "nothing new to accept": (
        lambda: Till().accept(*EVERYTHING),
        lambda till: till.accept(*EVERYTHING),
        TransitionRefused,
        {"status": Status.OPEN},
    ),
    "consents that are given already": (
        lambda: Till().accept(*WITHOUT_CARD),
        lambda till: till.accept(*WITHOUT_CARD),
        InvalidInput,
        {"consents": [Consent.CAP, Consent.DEPOSIT_AND_FEES]},
    ),
    "a proposal that no longer covers what is on the tab": (
        proposed_below_what_is_on_the_tab,
        lambda till: till.accept(*WITHOUT_CARD),
        CapExceeded,
        {"total_minor": 80_00, "cap_minor": 70_00},
    ),
    "other words than were shown": (
        Till,
        lambda till: till.do(
            booking.accept_promise, replace(acceptance(till.tab, *WITHOUT_CARD), promise_sha256="0" * 64), None, by=ADA
        ),
        PromiseChanged,
        {"promise_sha256": Till().tab.promise.sha256},
    ),
    "a consent that is needed": (
        lambda: Till(deposit_minor=20_00),
        lambda till: till.accept(Consent.CARD_ON_FILE),
        InvalidInput,
        {"missing": ["cap", "deposit_and_fees"]},
    ),
    "staff's word for a charge without the customer": (
        Till,
        lambda till: till.do(
            booking.accept_promise, acceptance(till.tab, *WITH_CARD, method=AcceptanceMethod.IN_PERSON), None
        ),
        InvalidInput,
        {},
    ),
    # Opening and the bill
    "another currency": (
        lambda: Till(currency="USD"),
        lambda till: till,
        CurrencyMismatch,
        {"currency": "EUR"},
    ),
    "off the step": (
        lambda: in_yen(deposit_minor=1_005),
        lambda till: till,
        AmountOffStep,
        {"step_minor": 10},
    ),
    "too large": (
        lambda: Till(cap_minor=100_000_000),
        lambda till: till,
        AmountTooLarge,
        {"maximum_minor": 99_999_999},
    ),
    "too small": (
        lambda: Till(deposit_minor=49),
        lambda till: till,
        AmountTooSmall,
        {"minimum_minor": 50},
    ),
    "above the cap": (
        Till,
        lambda till: till.do(bill.add_items, items(150_00)).do(bill.add_items, items(50_01)),
        CapExceeded,
        {"total_minor": 200_01, "cap_minor": 200_00},
    ),
    "too many items": (
        Till,
        lambda till: till.do(bill.add_items, items(*[1] * MAXIMUM_ITEMS)).do(bill.add_items, items(1)),
        InvalidInput,
        {"maximum": MAXIMUM_ITEMS},
    ),
    "no such item": (
        Till,
        lambda till: till.do(bill.void_item, "itm_0"),
        NotFound,
        {},
    ),
    # Paying
    "a hold that covers the bill": (
        lambda: held(20_00, *WITHOUT_CARD),
        lambda till: till.do(payment.pay_on_phone, by=ADA),
        NothingToPay,
        {},
    ),
    "less than the phone may take": (
        with_residue,
        lambda till: till.do(payment.pay_on_phone, by=ADA),
        NothingToPay,
        {"minimum_minor": 50},
    ),
    "less than the card may be charged": (
        with_residue,
        lambda till: till.do(payment.charge_saved_card, by=ADA),
        NothingToPay,
        {"minimum_minor": 50},
    ),
    "no card": (
        billed,
        lambda till: till.do(payment.charge_saved_card, by=ADA),
        NoCard,
        {},
    ),
    "staff charge what is still under review": (
        lambda: Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00),
        lambda till: till.do(payment.charge_saved_card),
        TransitionRefused,
        {"status": Status.IN_REVIEW},
    ),
    "staff charge without the consent to it": (
        lambda: Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).wait(days=1),
        lambda till: till.do(payment.charge_saved_card),
        PromiseNotAccepted,
        {"consent": Consent.AUTOMATIC_CHARGE},
    ),
    "nothing is owed": (
        no_show,
        lambda till: till.do(payment.take_cash, 30_00).do(payment.take_cash, 1),
        NothingToPay,
        {},
    ),
    # Giving back
    "refund of a disputed payment": (
        lambda: paid().disputed(FactKind.DISPUTE_OPENED),
        lambda till: till.do(payment.refund, None, "so"),
        TransitionRefused,
        {"status": Status.CLOSED},
    ),
    "refund while one is under way": (
        lambda: paid().do(payment.refund, 10_00, "so"),
        lambda till: till.do(payment.refund, 10_00, "so"),
        PaymentInProgress,
        {},
    ),
    "refund of nothing": (
        billed,
        lambda till: till.do(payment.refund, None, "so"),
        NothingToPay,
        {},
    ),
    "refund while part is owed": (
        lambda: billed().do(payment.take_cash, 20_00),
        lambda till: till.do(payment.refund, None, "so"),
        TransitionRefused,
        {"status": Status.IN_REVIEW},
    ),
    "refund of more than was taken": (
        paid,
        lambda till: till.do(payment.refund, 50_01, "so"),
        InvalidInput,
        {"refundable": 50_00},
    ),
    "adjusting a fee": (
        lambda: no_show().do(payment.take_cash, 30_00).wait(days=14),
        lambda till: till.do(bill.adjust, 1_00, "so"),
        TransitionRefused,
        {"status": Status.CLOSED},
    ),
    "adjusting what is written off": (
        lambda: billed().wait(days=1).do(bill.write_off, "gone", by=OWNER),
        lambda till: till.do(bill.adjust, 1_00, "so"),
        TransitionRefused,
        {"status": Status.CLOSED},
    ),
    "amending what is partly paid": (
        lambda: billed().do(payment.take_cash, 20_00),
        lambda till: till.do(bill.amend),
        TransitionRefused,
        {"status": Status.IN_REVIEW},
    ),
    "amending what is forgiven": (
        lambda: held(50_00, *WITHOUT_CARD).do(bill.waive, "so"),
        lambda till: till.do(bill.amend),
        TransitionRefused,
        {"status": Status.IN_REVIEW},
    ),
    "a tip where there was no service": (
        lambda: no_show().do(payment.take_cash, 30_00).wait(days=14),
        lambda till: till.do(payment.tip, 5_00, by=ADA),
        TransitionRefused,
        {"status": Status.CLOSED},
    ),
    "canceling with items on the tab": (
        lambda: Till().do(bill.add_items, items(5_00)),
        lambda till: till.do(booking.cancel, "so"),
        TransitionRefused,
        {"status": Status.OPEN},
    ),
    "checking in when the no-show is final": (
        lambda: no_show().do(payment.take_cash, 30_00).wait(days=14),
        lambda till: till.do(booking.check_in),
        TransitionRefused,
        {"status": Status.CLOSED},
    ),
    "contesting a fee that is final": (
        lambda: no_show().wait(days=14),
        lambda till: till.do(bill.contest, "I was there", None, by=ADA),
        TransitionRefused,
        {"status": Status.NO_SHOW, "contestable_until": instants.text(NOON + timedelta(days=15, hours=1))},
    ),
    "staff charge a fee before its time": (
        lambda: (
            Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25).do(booking.mark_no_show)
        ),
        lambda till: till.wait(hours=23).do(payment.charge_saved_card),
        TransitionRefused,
        {"status": Status.NO_SHOW, "take_at": instants.text(NOON + timedelta(days=2, hours=1))},
    ),
    "waiving twice": (
        lambda: held_no_show().wait(days=1).captured(),
        lambda till: till.do(bill.waive, "so").do(bill.waive, "so"),
        NothingToPay,
        {},
    ),
    "staff charge what is disputed": (
        lambda: (
            held(50_00, *EVERYTHING).accept_bill().captured().declined(Operation.CHARGE, failure=TRY_LATER)
            .disputed(FactKind.DISPUTE_OPENED, payment_id="pi_hold", amount_minor=20_00)
        ),
        lambda till: till.do(payment.charge_saved_card),
        TransitionRefused,
        {"status": Status.DUE},
    ),
    "staff charge a card that was reported stolen": (
        lambda: charging().declined(Operation.CHARGE, failure=STOLEN),
        lambda till: till.do(payment.charge_saved_card),
        CardRefused,
        {},
    ),
    "the customer charges a card that was reported stolen": (
        lambda: charging().declined(Operation.CHARGE, failure=STOLEN),
        lambda till: till.do(payment.charge_saved_card, by=ADA),
        CardRefused,
        {},
    ),
    "staff charge before the promised start what nobody has accepted": (
        upheld_before_the_start,
        lambda till: till.do(payment.charge_saved_card),
        TransitionRefused,
        {"status": Status.DUE, "from_at": instants.text(NOON + timedelta(days=10))},
    ),
    "waiving a bill that is forgiven": (
        lambda: held(50_00, *WITHOUT_CARD).do(bill.waive, "so"),
        lambda till: till.do(bill.waive, "so"),
        NothingToPay,
        {},
    ),
    "writing off a bill that is forgiven": (
        lambda: held(50_00, *WITHOUT_CARD).wait(days=1).do(bill.waive, "so"),
        lambda till: till.do(bill.write_off, "so", by=OWNER),
        NothingToPay,
        {},
    ),
    "contesting a bill that is forgiven": (
        lambda: held(50_00, *WITHOUT_CARD).do(bill.waive, "so"),
        lambda till: till.do(bill.contest, "so", None, by=ADA),
        NothingToPay,
        {},
    ),
    "cash for a bill that is forgiven": (
        lambda: held(50_00, *WITHOUT_CARD).do(bill.waive, "so"),
        lambda till: till.do(payment.take_cash, 1),
        NothingToPay,
        {},
    ),
    "a resolution that does not go with a figure": (
        lambda: billed().do(bill.contest, "cold", None, by=ADA),
        lambda till: till.do(bill.resolve, Resolution.UPHOLD, 5_00, "so"),
        InvalidInput,
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_refusal_says_why_and_what_to_act_on(case: Case) -> None:
    """Its class, which is its public code, and its context, whole."""
    till, act, reason, context = case

    with pytest.raises(DomainError) as refused:
        act(till())

    assert type(refused.value) is reason
    assert refused.value.context == context


ACCEPTED: dict[str, Callable[[], object]] = {
    "a start three years ahead": lambda: Till(starts_at=NOON + MAXIMUM_LEAD),
    "a deposit as high as the cap": lambda: Till(deposit_minor=200_00),
    "a deposit as high as a fee": lambda: Till.booked(deposit_minor=300_00, no_show_fee_minor=300_00),
    "a deposit of the minimum": lambda: Till(deposit_minor=50),
    "an estimate as high as the cap": lambda: Till(estimate_minor=200_00),
    "a cap of the maximum": lambda: Till(cap_minor=99_999_999),
    "items up to the cap": lambda: Till().do(bill.add_items, items(150_00, 50_00)),
    "the most items": lambda: Till().do(bill.add_items, items(*[1] * MAXIMUM_ITEMS)),
    "the highest quantity": lambda: Till().do(bill.add_items, items(1, quantity=MAXIMUM_QUANTITY)),
    "the highest tax": lambda: Till().do(bill.add_items, items(1, tax_basis_points=10_000)),
    "an item for nothing": lambda: Till().do(bill.add_items, items(0)),
    "contesting one cent": lambda: billed().do(bill.contest, "so", 1, by=ADA),
    "contesting all of it": lambda: billed().do(bill.contest, "so", 50_00, by=ADA),
    "lowering by one cent": lambda: billed().do(bill.adjust, 1, "so"),
    "lowering by all of it": lambda: billed().do(bill.adjust, 50_00, "so"),
    "refunding one cent": lambda: paid().do(payment.refund, 1, "so"),
    "refunding all of it": lambda: paid().do(payment.refund, 50_00, "so"),
    "cash of one cent": lambda: billed().do(payment.take_cash, 1),
    "cash for all of it": lambda: billed().do(payment.take_cash, 50_00),
    "a tip of the minimum": lambda: paid().do(payment.tip, 50, by=ADA),
    "a proposal of what is on the tab": lambda: (
        Till().do(bill.add_items, items(80_00)).do(booking.propose_promise, Limits(cap_minor=80_00))
    ),
    "accepting a proposal of what is on the tab": lambda: (
        Till().accept(*WITHOUT_CARD).do(booking.propose_promise, Limits(cap_minor=80_00))
        .do(bill.add_items, items(80_00)).accept(*WITHOUT_CARD)
    ),
    "a no-show when the grace is over": lambda: Till.booked().wait(hours=24.25).do(booking.mark_no_show),
    "staff charge a fee with the consent to fees alone": lambda: (
        Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER).wait(hours=25).do(booking.mark_no_show)
        .wait(days=1).declined(Operation.CHARGE, failure=TRY_LATER).do(payment.charge_saved_card)
    ),
    "contesting a fee a second before it is final": lambda: (
        no_show().wait(days=14, seconds=-1).do(bill.contest, "I was there", None, by=ADA)
    ),
    "charging the minimum to the card": lambda: (
        Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(payment.take_cash, 49_50)
        .do(payment.charge_saved_card, by=ADA)
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_limit_itself_is_allowed(act: Callable[[], object]) -> None:
    """To the cent, to the second."""
    act()


REFUSED: dict[str, Callable[[], object]] = {
    "a start now": lambda: Till(starts_at=NOON),
    "a start beyond three years": lambda: Till(starts_at=NOON + MAXIMUM_LEAD + timedelta(seconds=1)),
    "a deposit above everything": lambda: Till(deposit_minor=200_01),
    "an estimate above the cap": lambda: Till(estimate_minor=200_01),
    "a fee without a booking": lambda: Till(no_show_fee_minor=10_00),
    "a late fee without a booking": lambda: Till(late_cancel_fee_minor=10_00),
    "a quantity of none": lambda: Till().do(bill.add_items, items(1, quantity=0)),
    "too high a quantity": lambda: Till().do(bill.add_items, items(1, quantity=MAXIMUM_QUANTITY + 1)),
    "a negative tax": lambda: Till().do(bill.add_items, items(1, tax_basis_points=-1)),
    "too high a tax": lambda: Till().do(bill.add_items, items(1, tax_basis_points=10_001)),
    "contesting nothing": lambda: billed().do(bill.contest, "so", 0, by=ADA),
    "contesting more than is due": lambda: billed().do(bill.contest, "so", 50_01, by=ADA),
    "lowering by nothing": lambda: billed().do(bill.adjust, 0, "so"),
    "lowering below zero": lambda: billed().do(bill.adjust, 50_01, "so"),
    "refunding nothing": lambda: paid().do(payment.refund, 0, "so"),
    "no cash": lambda: billed().do(payment.take_cash, 0),
    "more cash than is owed": lambda: billed().do(payment.take_cash, 50_01),
    "no tip": lambda: paid().do(payment.tip, 0, by=ADA),
    "a proposal below what is on the tab": lambda: (
        Till().do(bill.add_items, items(80_00)).do(booking.propose_promise, Limits(cap_minor=79_99))
    ),
    "a proposed estimate above the cap": lambda: Till().do(booking.propose_promise, Limits(estimate_minor=200_01)),
    "an adjustment without a figure": lambda: (
        billed().do(bill.contest, "so", None, by=ADA).do(bill.resolve, Resolution.ADJUST, None, "so", by=OWNER)
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
def test_beyond_the_limit_it_is_invalid_input(act: Callable[[], object]) -> None:
    """By a cent, by a second; the request is wrong, whatever the tab's state."""
    with pytest.raises(InvalidInput) as refused:
        act()

    assert type(refused.value) is InvalidInput


WRONG = -1
NAMED: dict[str, Callable[[], object]] = {
    "estimate_minor": lambda: Till(estimate_minor=WRONG),
    "cap_minor": lambda: Till(cap_minor=WRONG),
    "deposit_minor": lambda: Till(deposit_minor=WRONG),
    "no_show_fee_minor": lambda: Till.booked(no_show_fee_minor=WRONG),
    "late_cancel_fee_minor": lambda: Till.booked(late_cancel_fee_minor=WRONG),
    "items[1].unit_price_minor": lambda: Till().do(bill.add_items, items(1, WRONG)),
    "contested_minor": lambda: billed().do(bill.contest, "so", WRONG, by=ADA),
    "reduction_minor": lambda: billed().do(bill.adjust, WRONG, "so"),
    "amount_minor": lambda: billed().do(payment.take_cash, WRONG),
    "amount_minor ": lambda: paid().do(payment.refund, WRONG, "so"),
    "tip_minor": lambda: billed().accept_bill(WRONG),
    "tip_minor ": lambda: paid().do(payment.tip, WRONG, by=ADA),
    "estimate_minor ": lambda: Till().do(booking.propose_promise, Limits(estimate_minor=WRONG)),
    "cap_minor ": lambda: Till().do(booking.propose_promise, Limits(cap_minor=WRONG)),
    "total and tip together": lambda: billed().accept_bill(99_999_999),
    "total and tips together": lambda: paid().do(payment.tip, 99_999_999, by=ADA),
}


@pytest.mark.parametrize(("field", "act"), NAMED.items(), ids=NAMED.keys())
def test_a_wrong_amount_is_called_by_the_name_of_its_field(field: str, act: Callable[[], object]) -> None:
    """So that an app can mark the field the person filled in."""
    with pytest.raises(InvalidInput) as refused:
        act()

    assert refused.value.detail.startswith(f"{field.strip()} ")


@pytest.mark.parametrize(
    ("till", "act", "detail"),
    [
        (billed, bill.complete, "To complete, the tab must be open; it is in review."),
        (billed, booking.check_in, "To check in, the tab must be booked or no show; it is in review."),
        (Till, bill.amend, "To amend, the tab must be in review; it is open."),
    ],
)
def test_the_wrong_status_is_said_in_words(till: Callable[[], Till], act: Callable[..., None], detail: str) -> None:
    """What was asked, what the tab must be, and what it is."""
    with pytest.raises(TransitionRefused) as refused:
        till().do(act)

    assert refused.value.detail == detail
