"""Every call in every status: what is legal leads where it should, what is not is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import CARD_ONLY, Standin

Pay = Callable[..., Any]
RETURN = {"return_url": "https://example.com/back"}


def intent_in(client: stripe.StripeClient, standin: Standin, status: str) -> Any:
    """A PaymentIntent of 10.00 in the given status."""
    base = {"amount": 1000, "currency": "eur", **CARD_ONLY}
    intents = client.v1.payment_intents
    if status == "requires_payment_method":
        return intents.create(base)
    if status == "requires_confirmation":
        return intents.create({**base, "payment_method": "pm_card_visa"})
    if status == "requires_action":
        return intents.create({**base, "payment_method": "pm_card_threeDSecure2Required", "confirm": True, **RETURN})
    if status == "requires_capture":
        return intents.create({**base, "payment_method": "pm_card_visa", "confirm": True, "capture_method": "manual"})
    if status == "succeeded":
        return intents.create({**base, "payment_method": "pm_card_visa", "confirm": True})
    return intents.cancel(intents.create(base).id)


CALLS: dict[str, Callable[[stripe.StripeClient, str], Any]] = {
    "confirm": lambda client, id: client.v1.payment_intents.confirm(id, {"payment_method": "pm_card_visa"}),
    "capture": lambda client, id: client.v1.payment_intents.capture(id),
    "cancel": lambda client, id: client.v1.payment_intents.cancel(id),
    "update amount": lambda client, id: client.v1.payment_intents.update(id, {"amount": 2000}),
    "update metadata": lambda client, id: client.v1.payment_intents.update(id, {"metadata": {"a": "1"}}),
}
# (status, call) → status afterwards; what is missing is refused.
LEGAL = {
    ("requires_payment_method", "confirm"): "succeeded",
    ("requires_payment_method", "cancel"): "canceled",
    ("requires_payment_method", "update amount"): "requires_payment_method",
    ("requires_payment_method", "update metadata"): "requires_payment_method",
    ("requires_confirmation", "confirm"): "succeeded",
    ("requires_confirmation", "cancel"): "canceled",
    ("requires_confirmation", "update amount"): "requires_confirmation",
    ("requires_confirmation", "update metadata"): "requires_confirmation",
    ("requires_action", "confirm"): "succeeded",
    ("requires_action", "cancel"): "canceled",
    ("requires_action", "update amount"): "requires_confirmation",
    ("requires_action", "update metadata"): "requires_action",
    ("requires_capture", "capture"): "succeeded",
    ("requires_capture", "cancel"): "canceled",
    ("requires_capture", "update metadata"): "requires_capture",
    ("succeeded", "update metadata"): "succeeded",
    ("canceled", "update metadata"): "canceled",
}
STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "succeeded",
    "canceled",
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", STATUSES)
def test_each_call_in_each_status(client: stripe.StripeClient, standin: Standin, status: str, call: str) -> None:
    """Legal transitions lead on; every other answers payment_intent_unexpected_state with the intent, and changes
    nothing.
    """
    intent = intent_in(client, standin, status)
    assert intent.status == status

    if (status, call) in LEGAL:
        assert CALLS[call](client, intent.id).status == LEGAL[status, call]
        return
    before = client.v1.payment_intents.retrieve(intent.id).to_dict()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        CALLS[call](client, intent.id)
    assert (refused.value.http_status, refused.value.code) == (400, "payment_intent_unexpected_state")
    assert refused.value.error.payment_intent.id == intent.id
    assert client.v1.payment_intents.retrieve(intent.id).to_dict() == before


@pytest.mark.parametrize("reason", ["abandoned", "duplicate", "fraudulent", "requested_by_customer"])
def test_a_cancellation_carries_its_reason(client: stripe.StripeClient, standin: Standin, reason: Any) -> None:
    """The four reasons a caller may give come back on the intent."""
    intent = intent_in(client, standin, "requires_capture")

    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": reason})

    assert (canceled.cancellation_reason, canceled.canceled_at) == (reason, intent.created)


def test_confirming_without_a_payment_method_is_refused(client: stripe.StripeClient, standin: Standin) -> None:
    """There is nothing to charge: payment_intent_unexpected_state, in Stripe's words."""
    intent = intent_in(client, standin, "requires_payment_method")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id)

    assert "missing a payment method" in str(refused.value)


# --- saving cards


def test_a_payment_with_setup_future_usage_saves_the_card(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """The card is attached once the payment succeeded, and pays off-session from then on."""
    hold = pay(
        1000,
        customer=customer,
        setup_future_usage="off_session",
        capture_method="manual",
        payment_method_options={"card": {"setup_credential_usage": "unscheduled"}},
    )

    saved = client.v1.customers.payment_methods.list(customer).data
    assert [method.id for method in saved] == [hold.payment_method]
    later = pay(
        1000,
        card=saved[0].id,
        customer=customer,
        off_session=True,
        payment_method_options={"card": {"stored_credential_usage": "unscheduled"}},
    )
    assert (later.status, later.payment_method_options.card.stored_credential_usage) == ("succeeded", "unscheduled")


def test_a_card_used_without_a_customer_is_spent(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """Authorizing without saving leaves no way to charge again: the PaymentMethod may not be used or attached."""
    used = pay(1000).payment_method

    for again in (
        lambda: pay(1000, card=used),
        lambda: client.v1.payment_methods.attach(used, {"customer": customer}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            again()


def test_a_saved_card_belongs_to_its_customer(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """Neither another customer nor nobody may pay with it; detached, nobody may."""
    other = client.v1.customers.create({"name": "other"}).id
    saved = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id

    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        pay(1000, card=saved, customer=other)
    with pytest.raises(stripe.InvalidRequestError, match="attached to a customer"):
        pay(1000, card=saved)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.attach(saved, {"customer": other})
    assert client.v1.payment_methods.detach(saved).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        pay(1000, card=saved, customer=customer)


def test_deleting_a_customer_detaches_its_cards(client: stripe.StripeClient, customer: str, standin: Standin) -> None:
    """The customer reads as deleted, its cards are gone from it, payments for it are refused."""
    saved = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id

    assert client.v1.customers.delete(customer).deleted

    assert client.v1.customers.retrieve(customer).deleted
    assert client.v1.payment_methods.retrieve(saved).customer is None
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": customer})
    assert standin.events("payment_method.detached", "customer.deleted") == [
        "payment_method.detached",
        "customer.deleted",
    ]


def test_a_setup_intent_saves_a_card_and_is_then_closed(
    client: stripe.StripeClient, customer: str, standin: Standin
) -> None:
    """Confirmed on the phone: attached, succeeded; confirming or canceling it again is refused."""
    setup = client.v1.setup_intents.create({"customer": customer, "usage": "off_session", **CARD_ONLY})
    phone = standin.client("pk_test_x")

    done = phone.v1.setup_intents.confirm(
        setup.id, {"client_secret": setup.client_secret, "payment_method": "pm_card_visa"}
    )

    assert done.status == "succeeded"
    assert client.v1.setup_intents.retrieve(setup.id).payment_method is not None
    assert len(client.v1.customers.payment_methods.list(customer).data) == 1
    for call in (client.v1.setup_intents.confirm, client.v1.setup_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call(setup.id)
        assert refused.value.code == "setup_intent_unexpected_state"


def test_a_setup_intent_can_fail_and_be_tried_again(
    client: stripe.StripeClient, customer: str, standin: Standin
) -> None:
    """Declined: 402 with the setup intent inside; failed 3-D Secure: reopened; then a good card succeeds."""
    setup = client.v1.setup_intents.create({"customer": customer, **CARD_ONLY})
    with pytest.raises(stripe.CardError) as declined:
        client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_chargeDeclined"})
    assert declined.value.error.setup_intent.status == "requires_payment_method"
    client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_authenticationRequired", **RETURN})
    standin.control("authenticate", {"setup_intent": setup.id, "outcome": "fail"})
    failed = client.v1.setup_intents.retrieve(setup.id)
    assert (failed.status, failed.last_setup_error.code) == (
        "requires_payment_method",
        "setup_intent_authentication_failure",
    )

    assert client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert standin.events("setup_intent.setup_failed", "setup_intent.succeeded") == [
        "setup_intent.setup_failed",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
    ]


# --- money, whatever the order of calls

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["confirm", "decline", "capture", "cancel", "refund", "advance", "authenticate"]),
        st.integers(1, 1500),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, manual=st.booleans(), secure=st.booleans())
def test_no_order_of_calls_makes_or_loses_money(
    client: stripe.StripeClient, standin: Standin, steps: list[tuple[str, int]], manual: bool, secure: bool
) -> None:
    """After any calls: refunded ≤ captured ≤ authorized, and the books balance against the balance transactions."""
    standin.control("reset", {"start": "2026-01-05T09:00:00Z"})
    card = "pm_card_threeDSecure2Required" if secure else "pm_card_visa"
    intents = client.v1.payment_intents
    id = intents.create(
        {"amount": 1000, "currency": "eur", "capture_method": "manual" if manual else "automatic", **CARD_ONLY}
    ).id
    for call, number in steps:
        try:
            if call == "confirm":
                intents.confirm(id, {"payment_method": card, **RETURN})
            elif call == "decline":
                intents.confirm(id, {"payment_method": "pm_card_chargeDeclined"})
            elif call == "capture":
                intents.capture(id, {"amount_to_capture": number})
            elif call == "cancel":
                intents.cancel(id)
            elif call == "refund":
                client.v1.refunds.create({"payment_intent": id, "amount": number})
            elif call == "advance":
                standin.advance(hours=number / 5)
            else:
                standin.control("authenticate", {"payment_intent": id, "outcome": "succeed"})
        except stripe.StripeError:
            pass

    book = standin.control("books?by=")["accounts"]["acct_1StandInPlatform00"]["eur"]
    taken = book["captured"] + book["charged"]
    intent = intents.retrieve(id)
    moved = sum(row.amount for row in client.v1.balance_transactions.list({"limit": 100}).data)
    assert book["authorized"] == book["captured"] + book["released"] + book["expired"] + book["live_holds"]
    assert 0 <= book["refunded"] <= taken <= 1000
    assert intent.amount_received == taken
    assert moved == taken - book["refunded"]
    assert book["live_holds"] == intent.amount_capturable
    assert len([row for row in client.v1.charges.list({"payment_intent": id}).data if row.paid]) <= 1
