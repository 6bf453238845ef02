"""Contests during payments: recorded at once, and no payment is made again without the customer."""

from __future__ import annotations

import pytest

from chalicelib.domain.errors import PaymentInProgress
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.usecases.tab.bill import amend_bill, contest_bill, resolve_contest
from chalicelib.usecases.tab.payment import pay_on_phone
from tests.usecases.fake_gateway import CLOSE, Fault
from tests.usecases.shop import EVERYTHING, WITH_CARD, Shop


def contest(shop: Shop, contested_minor: int | None = None) -> None:
    contest_bill(shop.deps, shop.tab_id, "crooked", contested_minor, request=shop.request(shop.ada))


def resolve(shop: Shop, resolution: Resolution, reduction_minor: int | None = None) -> None:
    resolve_contest(shop.deps, shop.tab_id, resolution, reduction_minor, "so it is", request=shop.request(shop.staff))


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.CRASH_BEFORE])
def test_a_charge_that_never_arrived_is_not_made_again_after_a_contest(shop: Shop, fault: Fault) -> None:
    """The contest is recorded at once, the sweep finds no trace, and gives the attempt up."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, fault)
    if fault == Fault.CRASH_BEFORE:
        shop.crashing(shop.accept_bill)
    else:
        shop.accept_bill()

    contest(shop)
    shop.wait(minutes=30)

    assert shop.tab.status == Status.CONTESTED
    assert shop.tab.attempts == ()
    assert shop.gateway.payments == {}


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.CRASH_AFTER])
def test_a_charge_that_did_arrive_is_found_after_a_contest(shop: Shop, fault: Fault) -> None:
    """The money came in once; it is the resolution that says how much of it stays."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, fault)
    if fault == Fault.CRASH_AFTER:
        shop.crashing(shop.accept_bill)
    else:
        shop.accept_bill()
    contest(shop)
    with pytest.raises(PaymentInProgress):
        resolve(shop, Resolution.ADJUST, 20_00)

    shop.wait(minutes=2)
    assert shop.tab.paid_minor == 50_00
    resolve(shop, Resolution.ADJUST, 20_00)

    assert (shop.tab.status, shop.tab.paid_minor) == (Status.CLOSED, 30_00)
    shop.check_books()


def test_the_sheet_on_the_phone_is_closed_by_a_contest(shop: Shop) -> None:
    """In the same request: what is contested is not paid by a tap that comes late."""
    shop.open(*WITH_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None

    contest(shop)

    assert shop.gateway.payments[answer.attempt.payment_id or ""].state == "canceled"
    assert shop.tab.attempts == ()


def test_a_sheet_that_can_not_be_closed_does_not_refuse_the_contest(shop: Shop) -> None:
    """Recorded all the same; the schedule closes it."""
    shop.open(*WITH_CARD).serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    shop.gateway.fail(CLOSE, Fault.LOST_BEFORE)

    contest(shop)
    assert shop.tab.status == Status.CONTESTED
    assert shop.attempt(Operation.CHARGE).state == AttemptState.UNKNOWN

    shop.wait(hours=2)
    shop.wait(hours=2)
    assert shop.tab.attempts == ()


def test_of_a_contest_nobody_answers_only_the_rest_is_charged(shop: Shop) -> None:
    """A week, two more days, and then what was not contested, as the customer's consent says."""
    shop.open(*EVERYTHING).serve(50_00)
    contest_bill(shop.deps, shop.tab_id, "cold", 20_00, request=shop.request(shop.ada))

    shop.wait(days=7)
    assert shop.tab.status == Status.CONTESTED
    shop.wait(days=2)

    assert (shop.tab.status, shop.tab.paid_minor, shop.tab.waived_minor) == (Status.CLOSED, 30_00, 20_00)
    shop.check_books()


def test_a_contest_nobody_answers_is_waived(shop: Shop) -> None:
    """What had been captured goes back."""
    shop.open(*EVERYTHING, deposit_minor=20_00)
    shop.deliver_all()
    shop.serve(50_00)
    contest(shop)

    shop.sweep_until_quiet()

    assert shop.tab.status == Status.CLOSED
    assert shop.tab.paid_minor == 0
    shop.check_books()


def test_a_bill_is_taken_back_and_presented_anew(shop: Shop) -> None:
    """The sheet for the old amount is closed first; the new bill has a window of its own."""
    shop.open(*EVERYTHING).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None

    amend_bill(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    assert shop.gateway.payments[answer.attempt.payment_id or ""].state == "canceled"
    shop.wait(hours=20)
    shop.serve(10_00)
    shop.wait(hours=23)
    assert shop.tab.status == Status.IN_REVIEW
    shop.wait(hours=1)

    assert shop.tab.paid_minor == 60_00
    shop.check_books()


def test_a_bill_paid_in_that_moment_is_not_taken_back(shop: Shop) -> None:
    """The customer was faster."""
    shop.open(*WITH_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")

    with pytest.raises(PaymentInProgress):
        amend_bill(shop.deps, shop.tab_id, request=shop.request(shop.staff))

    assert (shop.tab.status, shop.tab.paid_minor) == (Status.CLOSED, 50_00)
