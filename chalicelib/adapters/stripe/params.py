"""What an attempt sends to Stripe: amounts in Stripe's units, parameters, metadata and the idempotency key; pure."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.tab import Tab

APP = "aftertab"


_WIRE_FACTORS = {"ISK": 100, "UGX": 100}
"""Currencies without cents that Stripe still takes as if they had some (https://docs.stripe.com/currencies#special-cases)."""


def to_wire(amount_minor: int, currency: str) -> int:
    """An amount in our smallest unit as Stripe wants it."""
    return amount_minor * _WIRE_FACTORS.get(currency.upper(), 1)


def from_wire(amount: int, currency: str) -> int:
    """An amount of Stripe's in our smallest unit."""
    return amount // _WIRE_FACTORS.get(currency.upper(), 1)


# ---- What an attempt sends


def idempotency_key(attempt: Attempt, stage: str) -> str:
    """One key an attempt (https://docs.stripe.com/api/idempotent_requests): a replay repeats nothing.

    Stripe remembers a refusal under its key, too: prepared again for another customer, the attempt has another.
    """
    return f"{stage}/{attempt.attempt_id}/{attempt.operation}" + (f"/{attempt.redone}" if attempt.redone else "")


def params_of(tab: Tab, attempt: Attempt, stage: str) -> dict[str, Any]:
    """The body of the attempt's call.

    Stripe refuses a known key with other parameters, and a replay may come after a deploy: everything here is fixed
    when the attempt is written (its own fields, and what the tab froze at its opening), and tests pin every byte.
    Whoever changes what is sent must leave the attempts that are already written as they are.
    """
    if attempt.operation == Operation.CAPTURE:
        return {"amount_to_capture": to_wire(attempt.amount_minor, tab.currency), "expand": ["latest_charge"]}
    if attempt.operation == Operation.RELEASE:
        return {}
    metadata = _metadata(tab, attempt, stage)
    amount = to_wire(attempt.amount_minor, tab.currency)
    if attempt.operation == Operation.REFUND:
        return {"payment_intent": attempt.payment_id, "amount": amount, "metadata": metadata}
    return {
        "amount": amount,
        "currency": tab.currency.lower(),
        "customer": customer_ref(tab, attempt),
        "capture_method": "manual" if attempt.operation == Operation.PLACE_HOLD else "automatic",
        "allowed_payment_method_types": ["card"],
        "metadata": metadata,
        "expand": ["latest_charge"],
        **({"statement_descriptor_suffix": tab.statement_suffix} if tab.statement_suffix else {}),
        **_how_to_pay(attempt),
    }


def customer_ref(tab: Tab, attempt: Attempt) -> str | None:
    """Whose payment it is; attempts that were written before this was kept with them are the tab's customer's."""
    return attempt.customer_ref or tab.customer_ref


def _how_to_pay(attempt: Attempt) -> dict[str, Any]:
    if attempt.card_id is not None and attempt.customer_present:
        # The bank may ask, and the phone hands the question on: https://docs.stripe.com/api/payment_intents/create.
        return {"payment_method": attempt.card_id, "confirm": True, "use_stripe_sdk": True}
    if attempt.card_id is not None:
        # Off-session and saving a card exclude each other (https://docs.stripe.com/api/payment_intents/create).
        return {"payment_method": attempt.card_id, "off_session": True, "confirm": True}
    return {"setup_future_usage": "off_session"} if attempt.saves_card else {}


def _metadata(tab: Tab, attempt: Attempt, stage: str) -> dict[str, str]:
    return {
        "app": APP,
        "stage": stage,
        "merchant": tab.merchant_id,
        "tab": tab.tab_id,
        "attempt": attempt.attempt_id,
        "purpose": attempt.operation.value,
    }
