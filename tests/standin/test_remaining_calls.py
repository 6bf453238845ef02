"""The calls that no story needs and an integration may make: updates, lists and look-ups of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, Receiver, Standin

Pay = Callable[..., Any]


def test_a_saved_card_can_be_looked_up_and_updated(
    client: stripe.StripeClient, standin: Standin, customer: str
) -> None:
    """By id, below its customer, in both lists; its billing details, metadata and redisplay change and are told."""
    saved = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id

    client.v1.payment_methods.update(
        saved,
        {
            "billing_details": {"name": "Ada", "address": {"country": "PT"}},
            "metadata": {"a": "1"},
            "allow_redisplay": "always",
        },
    )

    found = client.v1.customers.payment_methods.retrieve(customer, saved)
    assert (found.billing_details.name, found.billing_details.address.country) == ("Ada", "PT")
    assert (found.metadata["a"], found.allow_redisplay) == ("1", "always")
    assert [row.id for row in client.v1.payment_methods.list({"customer": customer, "type": "card"}).data] == [saved]
    assert client.v1.payment_methods.list({"customer": customer, "allow_redisplay": "limited"}).data == []
    assert client.v1.customers.payment_methods.list(customer, {"allow_redisplay": "always"}).data[0].id == saved
    assert client.v1.payment_methods.list().data == []
    assert standin.events("payment_method.updated") == ["payment_method.updated"]
    other = client.v1.customers.create({}).id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.payment_methods.retrieve(other, saved)


def test_an_unsaved_card_cannot_be_updated(client: stripe.StripeClient) -> None:
    """It must be on a customer first."""
    loose = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_methods.update(loose.id, {"metadata": {"a": "1"}})

    assert refused.value.code == "payment_method_unexpected_state"


def test_a_default_card_is_forgotten_when_it_is_detached(client: stripe.StripeClient, customer: str) -> None:
    """invoice_settings.default_payment_method takes an attached card only, expands, and goes with it."""
    saved = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": "pm_card_visa"}})

    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": saved}})
    assert client.v1.customers.retrieve(customer).invoice_settings.default_payment_method == saved
    client.v1.payment_methods.detach(saved)

    assert client.v1.customers.retrieve(customer).invoice_settings.default_payment_method is None


def test_setup_intents_are_listed_updated_and_canceled(
    client: stripe.StripeClient, standin: Standin, customer: str
) -> None:
    """Given a card it waits for confirmation; canceled with its reason, it takes nothing more."""
    setup = client.v1.setup_intents.create({"customer": customer, **CARD_ONLY}).id

    updated = client.v1.setup_intents.update(setup, {"payment_method": "pm_card_visa", "metadata": {"a": "1"}})
    assert (updated.status, updated.metadata["a"]) == ("requires_confirmation", "1")
    assert [row.id for row in client.v1.setup_intents.list({"customer": customer}).data] == [setup]
    canceled = client.v1.setup_intents.cancel(setup, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert standin.events("setup_intent.canceled") == ["setup_intent.canceled"]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.setup_intents.update(setup, {"payment_method": "pm_card_visa"})


def test_charges_and_refunds_carry_notes(client: stripe.StripeClient, pay: Pay) -> None:
    """Description and metadata of a charge, metadata of a refund; a charge of an intent is captured by its intent
    only.
    """
    hold = pay(5000, capture_method="manual")
    charge = hold.latest_charge

    assert client.v1.charges.update(charge, {"description": "Haircut", "metadata": {"a": "1"}}).description == "Haircut"
    with pytest.raises(stripe.InvalidRequestError, match="capture the PaymentIntent instead"):
        client.v1.charges.capture(charge)
    client.v1.payment_intents.capture(hold.id)
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.charges.capture(charge)
    assert again.value.code == "charge_already_captured"
    refund = client.v1.refunds.create({"charge": charge, "amount": 100})
    assert client.v1.refunds.update(refund.id, {"metadata": {"b": "2"}}).metadata["b"] == "2"
    assert [row.id for row in client.v1.refunds.list({"charge": charge}).data] == [refund.id]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.cancel(refund.id)


def test_a_webhook_endpoint_can_be_changed_and_disabled(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver
) -> None:
    """Another event list holds from then on; disabled, it receives nothing."""
    endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["charge.succeeded"]})
    client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["customer.created"], "metadata": {"a": "1"}})
    client.v1.customers.create({"name": "heard"})
    standin.control("webhooks/drain", {})

    disabled = client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.customers.create({"name": "unheard"})

    standin.control("webhooks/drain", {})
    assert disabled.status == "disabled"
    assert [event.data.object.name for event in receiver.events(endpoint.secret)] == ["heard"]


def test_a_fraud_warning_can_be_looked_up(client: stripe.StripeClient, pay: Pay) -> None:
    """By its id, with its charge expanded."""
    pay(1000, card="pm_card_createIssuerFraudRecord")
    listed = client.v1.radar.early_fraud_warnings.list().data[0]

    warning = client.v1.radar.early_fraud_warnings.retrieve(listed.id, {"expand": ["charge"]})

    assert (warning.id, warning.charge.amount) == (listed.id, 1000)


def test_checkout_sessions_are_listed_and_annotated(client: stripe.StripeClient, customer: str) -> None:
    """By status and customer; their lines by themselves; metadata merges."""
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    given = {"mode": "payment", "line_items": [{"price_data": price}], "success_url": "http://127.0.0.1:9/"}
    first = client.v1.checkout.sessions.create({**given, "customer": customer}).id
    second = client.v1.checkout.sessions.create(given).id
    client.v1.checkout.sessions.expire(second)

    assert [row.id for row in client.v1.checkout.sessions.list({"status": "open"}).data] == [first]
    assert [row.id for row in client.v1.checkout.sessions.list({"customer": customer}).data] == [first]
    assert client.v1.checkout.sessions.update(first, {"metadata": {"a": "1"}}).metadata["a"] == "1"
    assert [row.description for row in client.v1.checkout.sessions.line_items.list(first).data] == ["Haircut"]


def test_accounts_are_listed_and_looked_up(client: stripe.StripeClient) -> None:
    """The platform's own, a connected one by id, as itself, and in the list; unknown ones are refused."""
    made = client.v1.accounts.create({"type": "express", "country": "GB", "metadata": {"a": "1"}})

    assert (made.default_currency, made.charges_enabled) == ("gbp", True)
    assert client.v1.accounts.retrieve(made.id).metadata["a"] == "1"
    assert client.v1.accounts.retrieve_current().id.startswith("acct_")
    assert client.v1.accounts.retrieve_current({}, {"stripe_account": made.id}).id == made.id
    assert [row.id for row in client.v1.accounts.list().data] == [made.id]
    client.v1.accounts.update(made.id, {"email": "salon@example.com", "metadata": {"b": "2"}})
    assert client.v1.accounts.retrieve(made.id).metadata.to_dict() == {"a": "1", "b": "2"}
    told = client.v1.events.list({"type": "account.updated"}, {"stripe_account": made.id}).data[0]
    assert told.data.previous_attributes["email"] is None
    with pytest.raises(stripe.PermissionError):
        client.v1.accounts.retrieve("acct_none")


def test_a_payment_names_its_receipt_shipping_and_statement(client: stripe.StripeClient, pay: Pay) -> None:
    """What a merchant writes on a payment is on the intent and on its charge."""
    intent = pay(
        1000,
        description="Haircut",
        receipt_email="ada@example.com",
        statement_descriptor_suffix="HAIRCUT",
        shipping={"name": "Ada", "address": {"line1": "1 Rua", "country": "PT"}},
        metadata={"tab": "tab_1"},
        expand=["latest_charge"],
    )

    charge = intent.latest_charge
    assert (charge.description, charge.receipt_email, charge.statement_descriptor_suffix) == (
        "Haircut",
        "ada@example.com",
        "HAIRCUT",
    )
    assert charge.calculated_statement_descriptor == "STAND-IN* HAIRCUT"
    assert (charge.metadata["tab"], charge.shipping.address.country) == ("tab_1", "PT")
