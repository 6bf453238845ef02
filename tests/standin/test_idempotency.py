"""Idempotency keys: the first answer is the answer, whatever it was."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, Standin

PAYMENT: dict[str, Any] = {
    "amount": 1000,
    "currency": "eur",
    "payment_method": "pm_card_visa",
    "confirm": True,
    **CARD_ONLY,
}
FORM = "amount=1000&currency=eur&payment_method=pm_card_visa&confirm=true&allowed_payment_method_types[0]=card"


def test_a_repeated_key_replays_the_first_answer_and_does_nothing_again(
    client: stripe.StripeClient, standin: Standin
) -> None:
    """Two creates under one key make one payment; the second answer is the first, marked as replayed."""
    first_status, first, _ = standin.raw("POST", "/v1/payment_intents", FORM, {"Idempotency-Key": "k1"})
    status, again, headers = standin.raw("POST", "/v1/payment_intents", FORM, {"Idempotency-Key": "k1"})

    assert (first_status, status) == (200, 200)
    assert again == first
    assert headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.payment_intents.list().data) == 1
    assert len(client.v1.charges.list().data) == 1


def test_a_decline_is_replayed(client: stripe.StripeClient) -> None:
    """A 402 is stored as any answer: the same key declines again, without a second charge."""
    declining = {**PAYMENT, "payment_method": "pm_card_chargeDeclined"}
    codes = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.create(declining, {"idempotency_key": "k"})
        codes.append((declined.value.code, declined.value.error.charge))

    assert codes[0] == codes[1]
    assert len(client.v1.charges.list().data) == 1


def test_a_500_is_replayed_although_the_effect_happened(client: stripe.StripeClient, standin: Standin) -> None:
    """An internal error after the effect stays this key's answer; only looking the object up tells the truth."""
    standin.control("faults", {"kind": "fail_after", "method": "POST", "path": "/v1/payment_intents", "count": 1})
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})
        assert failed.value.http_status == 500

    assert [intent.status for intent in client.v1.payment_intents.list().data] == ["succeeded"]


def test_other_parameters_under_the_same_key_are_refused(client: stripe.StripeClient) -> None:
    """The key belongs to its parameters: 400 idempotency_error, and nothing happens."""
    client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError) as refused:
        client.v1.payment_intents.create({**PAYMENT, "amount": 1001}, {"idempotency_key": "k"})

    assert refused.value.http_status == 400
    assert len(client.v1.payment_intents.list().data) == 1


def test_the_same_key_on_another_endpoint_is_refused(client: stripe.StripeClient) -> None:
    """The key belongs to its endpoint, too."""
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})


def test_while_the_first_is_executing_the_second_is_told_that_the_key_is_in_use(standin: Standin) -> None:
    """409 idempotency_key_in_use for the concurrent twin; the first one completes and its answer is then replayed."""
    standin.control("faults", {"kind": "slow", "seconds": 1.0, "path": "/v1/payment_intents", "count": 1})
    answers: dict[str, Any] = {}

    def first() -> None:
        answers["first"] = standin.raw("POST", "/v1/payment_intents", FORM, {"Idempotency-Key": "k"})

    thread = threading.Thread(target=first)
    thread.start()
    while not standin.control("faults")["faults"][0]["hits"]:
        pass
    status, body, _ = standin.raw("POST", "/v1/payment_intents", FORM, {"Idempotency-Key": "k"})
    thread.join(10)

    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert answers["first"][0] == 200
    assert standin.raw("POST", "/v1/payment_intents", FORM, {"Idempotency-Key": "k"})[1] == answers["first"][1]


def test_what_failed_validation_leaves_the_key_free(client: stripe.StripeClient) -> None:
    """A 400 before execution is not stored: the corrected request may use the same key."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({**PAYMENT, "amount": 10}, {"idempotency_key": "k"})

    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).status == "succeeded"


def test_what_failed_while_executing_is_stored(client: stripe.StripeClient) -> None:
    """An unknown customer is found out while executing: that 400 is the key's answer from then on."""
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({**PAYMENT, "customer": "cus_none"}, {"idempotency_key": "k"})
        assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})


def test_keys_are_pruned_after_24_hours_of_the_clock(client: stripe.StripeClient, standin: Standin) -> None:
    """A day later the same key is a new request: a caller that replays blindly pays twice, here as at Stripe."""
    first = client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})
    standin.advance(hours=23)
    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id == first.id

    standin.advance(hours=1)

    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id != first.id


def test_keys_are_scoped_by_account(client: stripe.StripeClient) -> None:
    """The same key on a connected account is another key."""
    account = client.v1.accounts.create({"type": "standard", "country": "DE"}).id

    ours = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    theirs = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k", "stripe_account": account})

    assert ours.id != theirs.id


def test_a_key_longer_than_255_characters_is_refused(client: stripe.StripeClient) -> None:
    """255 characters are the documented limit."""
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k" * 255})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k" * 256})
