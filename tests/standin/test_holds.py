"""Holds: placed, captured in part, released, and what happens when nobody acts in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import START, Standin

Pay = Callable[..., Any]
HOUR, DAY = 3600, 86400


def test_a_partial_capture_takes_its_part_and_releases_the_rest_without_a_refund(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """Capturing 20.00 of 50.00 leaves one succeeded charge of 20.00 captured, nothing refunded, nothing held."""
    hold = pay(5000, capture_method="manual")

    done = client.v1.payment_intents.capture(
        hold.id, {"amount_to_capture": 2000, "expand": ["latest_charge.balance_transaction"]}
    )

    assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 2000, 0)
    charge = done.latest_charge
    assert (charge.amount, charge.amount_captured, charge.amount_refunded, charge.refunded) == (5000, 2000, 0, False)
    assert charge.balance_transaction.amount == 2000
    assert client.v1.refunds.list({"payment_intent": hold.id}).data == []
    assert standin.events("charge.captured", "payment_intent.succeeded", "charge.refunded") == [
        "charge.captured",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize(
    ("card", "off_session", "seconds"),
    [
        ("pm_card_visa", True, 4 * DAY + 18 * HOUR),
        ("pm_card_visa", False, 7 * DAY),
        ("pm_card_mastercard", True, 7 * DAY),
    ],
)
def test_how_long_a_hold_lasts_is_on_the_charge(
    pay: Pay, customer: str, card: str, off_session: bool, seconds: int
) -> None:
    """An off-session Visa hold lives 4 days 18 hours, other online holds 7 days, and capture_before says so."""
    more = {"off_session": True} if off_session else {}

    hold = pay(5000, card=card, customer=customer, capture_method="manual", expand=["latest_charge"], **more)

    assert hold.latest_charge.payment_method_details.card.capture_before == START + seconds


def test_a_hold_that_nobody_captures_expires_by_the_clock(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """At capture_before the intent is canceled as expired, charge.expired is sent, and capturing is refused."""
    hold = pay(5000, capture_method="manual")

    standin.advance(days=7, seconds=-1)
    assert client.v1.payment_intents.retrieve(hold.id).status == "requires_capture"
    standin.advance(seconds=1)

    gone = client.v1.payment_intents.retrieve(hold.id)
    assert (gone.status, gone.cancellation_reason, gone.amount_capturable) == ("canceled", "expired", 0)
    assert gone.canceled_at == START + 7 * DAY
    assert standin.events("charge.expired", "payment_intent.canceled") == ["charge.expired", "payment_intent.canceled"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.capture(hold.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error.payment_intent.id == hold.id


def test_between_expiry_and_cancellation_a_capture_says_that_the_charge_expired(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """With a lag between the two, capturing answers charge_expired_for_capture while the status still looks right."""
    standin.control("clock", {"expiry_lag_seconds": 3600})
    hold = pay(5000, capture_method="manual")

    standin.advance(days=7)

    assert client.v1.payment_intents.retrieve(hold.id).status == "requires_capture"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.capture(hold.id)
    assert refused.value.code == "charge_expired_for_capture"
    standin.advance(hours=1)
    assert client.v1.payment_intents.retrieve(hold.id).status == "canceled"


def test_canceling_a_hold_releases_it_and_leaves_no_refund(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """Cancel with a reason: nothing captured, nothing refunded, the charge stays uncaptured."""
    hold = pay(5000, capture_method="manual")

    released = client.v1.payment_intents.cancel(
        hold.id, {"cancellation_reason": "requested_by_customer", "expand": ["latest_charge"]}
    )

    assert (released.status, released.cancellation_reason) == ("canceled", "requested_by_customer")
    assert (released.latest_charge.captured, released.latest_charge.amount_refunded) == (False, 0)
    assert standin.control("books")["accounts"][standin.app.standin.world.platform.id]["eur"]["released"] == 5000


def test_a_hold_is_captured_once_and_never_above_what_was_authorized(client: stripe.StripeClient, pay: Pay) -> None:
    """More than the hold is refused and leaves the hold alone; a second capture is refused."""
    hold = pay(5000, capture_method="manual")

    with pytest.raises(stripe.InvalidRequestError) as too_much:
        client.v1.payment_intents.capture(hold.id, {"amount_to_capture": 5001})
    assert too_much.value.code == "amount_too_large"
    assert client.v1.payment_intents.retrieve(hold.id).amount_capturable == 5000
    client.v1.payment_intents.capture(hold.id)
    with pytest.raises(stripe.InvalidRequestError) as twice:
        client.v1.payment_intents.capture(hold.id)
    assert twice.value.code == "payment_intent_unexpected_state"
