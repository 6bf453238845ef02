"""What an attempt sends to Stripe: parameters, amounts in Stripe's units, metadata and idempotency key. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.domain.tab.attempt import Attempt, Operation

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab

APP = "aftertab"

PAGE_LIFETIME = timedelta(hours=23)
"""Stripe ends a Checkout Session after 24 h at the latest. The agenda ends it with the attempt's lease, sooner."""


_WIRE_FACTORS = {"ISK": 100, "UGX": 100}
"""Currencies without cents that Stripe still takes as if they had some (https://docs.stripe.com/currencies#special-cases)."""


def to_wire(amount_minor: int, currency: str) -> int:
    """Convert an amount from our smallest unit to Stripe's unit."""
    return amount_minor * _WIRE_FACTORS.get(currency.upper(), 1)


def from_wire(amount: int, currency: str) -> int:
    """Convert an amount from Stripe's unit to our smallest unit."""
    return amount // _WIRE_FACTORS.get(currency.upper(), 1)


# ---- Parameters


def idempotency_key(attempt: Attempt, stage: str) -> str:
    """One key for each attempt (https://docs.stripe.com/api/idempotent_requests), so that a replay repeats nothing.

    Stripe also stores a refusal under its key, so an attempt that is prepared again for a new customer has a new key.
    """
    return f"{stage}/{attempt.attempt_id}/{attempt.operation}" + (f"/{attempt.redone}" if attempt.redone else "")


def params_of(tab: Tab, attempt: Attempt, stage: str) -> dict[str, Any]:
    """The body of the attempt's call.

    Stripe refuses a known key with other parameters, and a replay may come after a deploy. So everything here is fixed
    when the attempt is written (its fields, and what the tab froze at its opening), and tests pin every byte. A change
    of the parameters must not affect attempts that are already written.
    """
    if attempt.operation == Operation.CAPTURE:
        return {"amount_to_capture": to_wire(attempt.amount_minor, tab.currency), "expand": ["latest_charge"]}
    if attempt.operation == Operation.RELEASE:
        return {}
    if attempt.is_on_page:
        return _page_params(tab, attempt, stage)
    metadata = metadata_of_attempt(tab, attempt, stage)
    amount = to_wire(attempt.amount_minor, tab.currency)
    if attempt.operation == Operation.REFUND:
        return {"payment_intent": attempt.payment_id, "amount": amount, "metadata": metadata}
    return {
        "amount": amount,
        "currency": tab.currency.lower(),
        "customer": customer_ref(tab, attempt),
        "capture_method": _capture_method(attempt),
        "allowed_payment_method_types": ["card"],
        "metadata": metadata,
        "expand": ["latest_charge"],
        **_statement(tab),
        **_how_to_pay(attempt),
    }


def _page_params(tab: Tab, attempt: Attempt, stage: str) -> dict[str, Any]:
    """A Checkout Session of one line. Its payment carries the attempt's metadata, so its events find the attempt.

    https://docs.stripe.com/api/checkout/sessions/create. The price is ours: without `adaptive_pricing` Stripe may offer
    another currency.
    """
    metadata = metadata_of_attempt(tab, attempt, stage)
    price = {
        "currency": tab.currency.lower(),
        "unit_amount": to_wire(attempt.amount_minor, tab.currency),
        "product_data": {"name": tab.title},
    }
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "customer": customer_ref(tab, attempt),
        "payment_intent_data": {
            "capture_method": _capture_method(attempt),
            "metadata": metadata,
            **_statement(tab),
            **({"setup_future_usage": "off_session"} if attempt.saves_card else {}),
        },
        "metadata": metadata,
        **page_fields(attempt.return_url),
        "expires_at": int((attempt.created_at + PAGE_LIFETIME).timestamp()),
        "adaptive_pricing": {"enabled": False},
    }


def page_fields(return_url: str | None) -> dict[str, Any]:
    """What every page of ours at Stripe has: it takes cards, and leads back whatever happened."""
    return {"allowed_payment_method_types": ["card"], "success_url": return_url, "cancel_url": return_url}


def customer_session(customer_ref: str) -> Any:
    """The payment screen of an app shows the cards we have saved, whatever their `allow_redisplay`.

    It neither saves nor removes any: the first takes the consent in the promise, the second has to be told to tabs
    (https://docs.stripe.com/api/customer_sessions/create).
    """
    features = {
        "payment_method_redisplay": "enabled",
        "payment_method_allow_redisplay_filters": ["always", "limited", "unspecified"],
        "payment_method_save": "disabled",
        "payment_method_remove": "disabled",
    }
    components = {"mobile_payment_element": {"enabled": True, "features": features}}
    return {"customer": customer_ref, "components": components}


def _capture_method(attempt: Attempt) -> str:
    return "manual" if attempt.operation == Operation.PLACE_HOLD else "automatic"


def _statement(tab: Tab) -> dict[str, str]:
    return {"statement_descriptor_suffix": tab.statement_suffix} if tab.statement_suffix else {}


def customer_ref(tab: Tab, attempt: Attempt) -> str | None:
    """The customer at the gateway; for older attempts without one, the tab's."""
    return attempt.customer_ref or tab.customer_ref


def _how_to_pay(attempt: Attempt) -> dict[str, Any]:
    if attempt.card_id is not None and attempt.customer_present:
        # The bank may ask for authentication, which the phone then shows: https://docs.stripe.com/api/payment_intents/create.
        return {"payment_method": attempt.card_id, "confirm": True, "use_stripe_sdk": True}
    if attempt.card_id is not None:
        # Off-session and saving a card exclude each other (https://docs.stripe.com/api/payment_intents/create).
        return {"payment_method": attempt.card_id, "off_session": True, "confirm": True}
    return {"setup_future_usage": "off_session"} if attempt.saves_card else {}


def metadata_of_attempt(tab: Tab, attempt: Attempt, stage: str) -> dict[str, str]:
    return {
        "app": APP,
        "stage": stage,
        "merchant": tab.merchant_id,
        "tab": tab.tab_id,
        "attempt": attempt.attempt_id,
        "purpose": attempt.operation.value,
    }
