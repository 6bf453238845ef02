"""What is refused happened not at all: no money moved, nothing half changed, and the idempotency key is as it was.

The fixture compares the whole world before and after every refused call of every test; here are the calls in which one
parameter is right and another is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, START, Standin

Pay = Callable[..., Any]
EUR: dict[str, Any] = {"amount": 1000, "currency": "eur", **CARD_ONLY}
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034}
DATA = {"type": "card", "card": CARD}


def test_a_payment_with_an_expansion_that_cannot_be_is_not_made(client: stripe.StripeClient, customer: str) -> None:
    """Refused before any money moves: else the corrected request, for which the key is free, would pay twice."""
    given = {**EUR, "payment_method": "pm_card_visa", "confirm": True}

    for path in ("colour", "customer.colour", "latest_charge.balance_transaction.colour", "amount", "data.customer"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({**given, "expand": [path]}, {"idempotency_key": "once"})
        assert "cannot be expanded" in str(refused.value)

    assert client.v1.charges.list().data == []
    paid = client.v1.payment_intents.create({**given, "expand": ["latest_charge"]}, {"idempotency_key": "once"})
    assert paid.latest_charge.amount_captured == 1000


# (what to try on an intent, a hold, a setup intent …): the first parameter is right, the second is not.
HALF_WRONG: dict[str, Callable[[stripe.StripeClient, dict[str, str]], Any]] = {
    "update: customer, amount": lambda client, ids: client.v1.payment_intents.update(
        ids["intent"], {"customer": ids["customer"], "amount": 1}
    ),
    "update: amount, payment method": lambda client, ids: client.v1.payment_intents.update(
        ids["intent"], {"amount": 2000, "payment_method": "pm_none"}
    ),
    "update: fee on the platform": lambda client, ids: client.v1.payment_intents.update(
        ids["intent"], {"customer": ids["customer"], "application_fee_amount": 10}
    ),
    "update: new card, someone else's": lambda client, ids: client.v1.payment_intents.update(
        ids["intent"], {"description": "x", "payment_method": ids["method of another"]}
    ),
    "update: metadata that grows too much": lambda client, ids: client.v1.payment_intents.update(
        ids["full"], {"description": "x", "metadata": {f"new{number}": "x" for number in range(30)}}
    ),
    "create: inline card, no return_url": lambda client, ids: client.v1.payment_intents.create(
        {"amount": 1000, "currency": "eur", "payment_method_data": DATA, "confirm": True}
    ),
    "create: inline card, off session and saving": lambda client, ids: client.v1.payment_intents.create(
        {**EUR, "payment_method_data": DATA, "confirm": True, "off_session": True, "customer": ids["customer"],
         "setup_future_usage": "off_session"}
    ),
    "confirm: inline card, off session and saving": lambda client, ids: client.v1.payment_intents.confirm(
        ids["intent"], {"payment_method_data": DATA, "off_session": True, "setup_future_usage": "off_session"}
    ),
    "confirm: card of another customer": lambda client, ids: client.v1.payment_intents.confirm(
        ids["intent"], {"receipt_email": "ada@example.com", "payment_method": ids["method of another"]}
    ),
    "capture: suffix that cannot be": lambda client, ids: client.v1.payment_intents.capture(
        ids["hold"], {"amount_to_capture": 500, "statement_descriptor_suffix": "1234567"}
    ),
    "capture: fee on the platform": lambda client, ids: client.v1.payment_intents.capture(
        ids["hold"], {"metadata": {"a": "1"}, "application_fee_amount": 5}
    ),
    "capture: metadata that grows too much": lambda client, ids: client.v1.payment_intents.capture(
        ids["full hold"], {"metadata": {f"new{number}": "x" for number in range(30)}}
    ),
    "setup: customer, card that is not there": lambda client, ids: client.v1.setup_intents.update(
        ids["setup"], {"customer": ids["customer"], "payment_method": "pm_none"}
    ),
    "customer: name, default card of another": lambda client, ids: client.v1.customers.update(
        ids["customer"], {"name": "Bob", "invoice_settings": {"default_payment_method": ids["method of another"]}}
    ),
    "customer: metadata that grows too much": lambda client, ids: client.v1.customers.update(
        ids["customer"], {"name": "Bob", "metadata": {f"new{number}": "x" for number in range(51)}}
    ),
    "refund: metadata that cannot be, amount": lambda client, ids: client.v1.refunds.create(
        {"payment_intent": ids["paid"], "amount": 5000, "metadata": {"a": "1"}}
    ),
    "refund: fee that was never taken": lambda client, ids: client.v1.refunds.create(
        {"payment_intent": ids["paid"], "refund_application_fee": True}
    ),
    "attach: to nobody": lambda client, ids: client.v1.payment_methods.attach(
        ids["method"], {"customer": "cus_none"}
    ),
    "attach: somebody else's": lambda client, ids: client.v1.payment_methods.attach(
        ids["method of another"], {"customer": ids["customer"]}
    ),
    "endpoint: description, url elsewhere": lambda client, ids: client.v1.webhook_endpoints.update(
        ids["endpoint"], {"description": "x", "url": "https://example.com/"}
    ),
    "session: customer that is not there": lambda client, ids: client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "eur", "customer": "cus_none", "success_url": "http://127.0.0.1:9/"}
    ),
    "session: expiry too soon": lambda client, ids: client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "eur", "success_url": "http://127.0.0.1:9/", "expires_at": START + 60}
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", HALF_WRONG)
def test_a_call_that_is_half_wrong_changes_nothing(client: stripe.StripeClient, standin: Standin, call: str) -> None:
    """Refused, and (says the fixture) not an object differs from before."""
    intents, methods = client.v1.payment_intents, client.v1.payment_methods
    customer, another = client.v1.customers.create({}).id, client.v1.customers.create({}).id
    full = {f"k{number}": "v" for number in range(30)}
    hold = {**EUR, "payment_method": "pm_card_visa", "confirm": True, "capture_method": "manual"}
    ids = {
        "customer": customer,
        "method of another": methods.attach("pm_card_visa", {"customer": another}).id,
        "method": methods.create({"type": "card", "card": {"token": "tok_visa"}}).id,
        "intent": intents.create(EUR).id,
        "full": intents.create({**EUR, "metadata": full}).id,
        "hold": intents.create(hold).id,
        "full hold": intents.create({**hold, "metadata": full}).id,
        "paid": intents.create({**EUR, "payment_method": "pm_card_visa", "confirm": True}).id,
        "setup": client.v1.setup_intents.create(CARD_ONLY).id,
        "endpoint": client.v1.webhook_endpoints.create(
            {"url": "http://127.0.0.1:9/", "enabled_events": ["charge.expired"]}
        ).id,
    }

    with pytest.raises(stripe.InvalidRequestError):
        HALF_WRONG[call](client, ids)
