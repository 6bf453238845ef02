"""Refunds, cash, tips, disputes and removed cards, with a gateway that has its own books."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import IdempotencyMismatch, PaymentInProgress, TransitionRefused
from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import DepositState
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.usecases.parties.customers import remove_card
from chalicelib.usecases.tab.bill import adjust_bill, write_off
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone, take_cash
from chalicelib.usecases.tab.refund import refund_tab
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import EVERYTHING, WITH_CARD, WITHOUT_CARD, Shop


def paid(shop: Shop) -> Shop:
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    return shop


def paid_by_two(shop: Shop) -> Shop:
    """20 captured from the hold, 30 charged."""
    shop.open(*EVERYTHING, deposit_minor=20_00).serve(50_00).accept_bill()
    assert [leg.amount_minor for leg in shop.tab.legs] == [20_00, 30_00]
    return shop


def refund(shop: Shop, amount_minor: int | None = None, **request: object) -> object:
    return refund_tab(
        shop.deps,
        shop.tab_id,
        amount_minor,
        "so",
        request=shop.request(shop.staff, **request),  # type: ignore[arg-type]
    )


# Refunds


def test_a_refund_over_two_legs_is_made_in_one_request(shop: Shop) -> None:
    """Both calls, newest first, and the books agree."""
    refund(paid_by_two(shop), 40_00)

    assert [leg.refunded_minor for leg in shop.tab.legs] == [10_00, 30_00]
    assert shop.tab.attempts == ()
    shop.check_books()


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_refund_broken_anywhere_is_made_once(shop: Shop, fault: Fault) -> None:
    """Found by the sweep, or made then under the same key: never twice."""
    paid_by_two(shop)
    shop.gateway.fail(Operation.REFUND, fault)
    if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
        shop.crashing(lambda: refund(shop, 40_00, key="once"))
    else:
        refund(shop, 40_00, key="once")

    shop.sweep_until_quiet()
    refund(shop, 40_00, key="once")

    assert shop.tab.paid_minor == 10_00
    shop.check_books()


def test_a_pending_refund_that_fails_is_owed_again_and_not_made_for_ever(shop: Shop) -> None:
    """The owner hears of it, and the gateway is not asked a second time."""
    shop.gateway.refunds_end = "pending"
    refund(paid(shop), 20_00)
    assert shop.tab.payment_state == PaymentState.REFUND_OWED

    shop.gateway.end_refunds("failed")
    shop.deliver_all()
    shop.wait(days=30)

    assert shop.tab.refund_owed_minor == 20_00
    assert shop.gateway.calls.count(Operation.REFUND) == 1
    assert MessageKind.REFUND_FAILED in shop.told
    shop.check_books()


def test_a_bill_lowered_after_it_was_paid_gives_back_by_itself(shop: Shop) -> None:
    """In the same request."""
    adjust_bill(paid(shop).deps, shop.tab_id, 15_00, "so", request=shop.request(shop.staff))

    assert shop.tab.paid_minor == 35_00
    shop.check_books()


def test_a_payment_on_the_phone_is_closed_before_cash_is_taken(shop: Shop) -> None:
    """Paid once, not twice; and where the customer was faster, the cash is refused."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    take_cash(shop.deps, shop.tab_id, 20_00, request=shop.request(shop.staff))
    assert shop.gateway.payments[answer.attempt.payment_id or ""].state == "canceled"
    assert shop.tab.paid_minor == 20_00

    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")
    with pytest.raises(PaymentInProgress):
        take_cash(shop.deps, shop.tab_id, 30_00, request=shop.request(shop.staff))

    assert shop.tab.paid_minor == 50_00
    shop.check_books()


def test_a_late_payment_of_what_was_written_off(shop: Shop) -> None:
    """On the phone, and kept."""
    shop.open(*WITHOUT_CARD).serve(50_00).accept_bill()
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    write_off(shop.deps, shop.tab_id, "gone", request=shop.request(shop.owner))
    assert shop.gateway.payments[answer.attempt.payment_id or ""].state == "canceled"

    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()

    assert (shop.tab.paid_minor, shop.tab.refund_owed_minor) == (50_00, 0)
    shop.check_books()


# The tip


def test_a_tip_nobody_confirms_is_closed_and_nothing_is_owed(shop: Shop) -> None:
    """After half an hour."""
    paid(shop)
    give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))

    shop.wait(minutes=30)

    assert (shop.tab.attempts, shop.tab.tip_minor, shop.tab.balance_minor) == ((), 0, 0)
    assert shop.tab.next_action_at is None


def test_another_tip_closes_the_first(shop: Shop) -> None:
    """The customer changed their mind: one sheet, one tip."""
    paid(shop)
    first = give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada)).attempt
    second = give_tip(shop.deps, shop.tab_id, 8_00, request=shop.request(shop.ada)).attempt
    assert first is not None
    assert second is not None

    assert shop.gateway.payments[first.payment_id or ""].state == "canceled"
    shop.gateway.confirm(second.payment_id or "")
    shop.deliver_all()

    assert (shop.tab.tip_minor, shop.tab.paid_minor) == (8_00, 58_00)
    shop.check_books()


# Disputes


def test_a_dispute_is_found_by_the_payment_it_is_about(shop: Shop) -> None:
    """Its events carry no metadata of ours; the pointer of the payment does."""
    payment_id = paid(shop).tab.legs[0].payment_id
    shop.gateway.dispute(payment_id, FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)

    assert shop.deliver_all()[-2:] == ["handled", "handled"]

    assert shop.tab.payment_state == PaymentState.DISPUTED
    assert "fetch_owner" not in shop.gateway.calls
    with pytest.raises(TransitionRefused):
        refund(shop)


def test_a_dispute_that_comes_while_a_refund_is_on_its_way(shop: Shop) -> None:
    """The gateway refuses the refund: it is not tried again, a person is told, and nothing is paid twice."""
    payment_id = paid(shop).tab.legs[0].payment_id
    shop.gateway.fail(Operation.REFUND, Fault.LOST_BEFORE)
    refund(shop, 20_00)

    shop.gateway.dispute(payment_id, FactKind.DISPUTE_OPENED)
    shop.deliver_all()
    shop.sweep_until_quiet()

    assert shop.tab.attempts == ()
    assert shop.gateway.kept_minor(shop.tab_id) == 50_00
    assert shop.tab.payment_state == PaymentState.DISPUTED


def test_an_inquiry_changes_nothing(shop: Shop) -> None:
    """The bank asks and takes nothing: an event without facts."""
    paid(shop)
    before = shop.tab
    inquiry = Fact(kind=FactKind.DISPUTE_OPENED, object_id="dp_1", at=shop.clock.now(), amount_minor=50_00)
    event_id = shop.gateway.announce(inquiry, payment_id=before.legs[0].payment_id)
    shop.gateway.events[event_id] = (shop.gateway.events[event_id][0], ())

    assert shop.deliver(event_id) == "handled"

    assert shop.tab == before


# Cards


def test_a_card_removed_by_the_customers_own_call(shop: Shop) -> None:
    """At the gateway, on their record and on every tab that is not finished; both sides are told."""
    shop.open(*EVERYTHING, starts_in_hours=240, deposit_minor=20_00)
    assert shop.tab.deposit.state == DepositState.CARD_SAVED

    customer = remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))

    assert customer.card is None
    assert shop.gateway.removed_cards == ["pm_1"]
    assert (shop.tab.card, shop.tab.deposit.state) == (None, DepositState.WANTED)
    assert shop.told == [MessageKind.CARD_REMOVED, MessageKind.PROTECTION_LOST]


def test_a_card_removed_at_the_gateway_is_heard_of_by_every_tab(shop: Shop) -> None:
    """Two bookings; the event names the customer there, and no tab."""
    shop.open(*EVERYTHING, starts_in_hours=240, deposit_minor=20_00)
    first = shop.tab_id
    shop.open(*EVERYTHING, starts_in_hours=300, deposit_minor=20_00)
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)

    shop.gateway.remove_card_there("pm_1", customer.customer_ref)
    assert shop.deliver_all() == ["handled"]

    for tab_id in (first, shop.tab_id):
        assert shop.store.get_tab(shop.merchant_id, tab_id).deposit.state == DepositState.WANTED
    assert shop.store.get_customer(shop.merchant_id, shop.customer_id).card is None


def test_our_own_removal_heard_again_by_webhook_says_nothing_twice(shop: Shop) -> None:
    """The gateway tells us of what we did."""
    shop.open(*EVERYTHING, starts_in_hours=240, deposit_minor=20_00)
    remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)

    shop.gateway.remove_card_there("pm_1", customer.customer_ref)
    shop.deliver_all()

    assert shop.told.count(MessageKind.CARD_REMOVED) == 1


def test_a_repeated_removal_leaves_the_card_that_was_saved_since(shop: Shop) -> None:
    """The same request again, an hour later: it was about the old card."""
    request = shop.request(shop.ada, key="remove")
    customer = remove_card(shop.deps, shop.customer_id, request=request)
    new = replace(shop.card, card_id="pm_2", last4="1111")
    shop.store.update_customer(replace(customer, card=new, version=customer.version + 1))

    again = remove_card(shop.deps, shop.customer_id, request=request)

    assert again.card == new
    assert shop.gateway.removed_cards == ["pm_1"]
    with pytest.raises(IdempotencyMismatch):
        remove_card(shop.deps, shop.customer_id, request=replace(request, request_sha256="other"))


def test_a_removed_card_is_not_charged_at_the_windows_end(shop: Shop) -> None:
    """The bill falls due, and the customer is reminded."""
    shop.open(*EVERYTHING).serve(50_00)
    remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))

    shop.wait(days=1)
    shop.wait(days=1)

    assert shop.tab.status == Status.DUE
    assert shop.gateway.payments == {}
    assert shop.told[-2:] == [MessageKind.REMINDER, MessageKind.COLLECTION_ENDED]
