"""Owns charges and the money side of a payment: authorize, decline, capture, release, expire.

When each may happen is decided by the PaymentIntent's state machine; a charge here is its consequence.
"""

from __future__ import annotations

from typing import Any

from . import accounts, balance, cards, lists
from .context import Call
from .objects import CardOnCharge, Charge, Outcome, PaymentIntent, PaymentMethod, PaymentMethodDetails
from .params import EXPAND, PAGE, TIME_RANGE, Fields, integer, merge_metadata, metadata, nullable, string
from .store import Namespace

LIST: Fields = {**PAGE, "created": TIME_RANGE, "customer": string, "payment_intent": string, "transfer_group": string}
UPDATE: Fields = {
    "description": nullable(string),
    "metadata": metadata,
    "receipt_email": string,
    **EXPAND,
}
CAPTURE: Fields = {
    "amount": integer,
    "application_fee_amount": integer,
    "statement_descriptor_suffix": string,
    **EXPAND,
}

# How long an online authorization lives (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method): 7 days,
# but a Visa hold that the merchant initiates without the customer is 5 days less the 6 hours that Stripe keeps in
# hand.
HOLD_SECONDS = 7 * 86400
VISA_OFF_SESSION_HOLD_SECONDS = 4 * 86400 + 18 * 3600

_DISABLED, _UNAVAILABLE = {"status": "disabled"}, {"status": "unavailable"}
_PAID = Outcome()
_PAID_ELEVATED = Outcome(risk_level="elevated", risk_score=65)


def _card_details(
    call: Call,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    hold: bool,
    off_session: bool,
    authenticated: bool,
    approved: bool,
) -> PaymentMethodDetails:
    card = method.card
    seconds = VISA_OFF_SESSION_HOLD_SECONDS if off_session and card.brand == "visa" else HOLD_SECONDS
    details = CardOnCharge(
        amount_authorized=intent.amount if approved else None,
        authorization_code=call.new_id("", 6)[1:].upper() if approved else None,
        brand=card.brand, checks=card.checks, country=card.country, exp_month=card.exp_month, exp_year=card.exp_year,
        extended_authorization=_DISABLED, fingerprint=card.fingerprint, funding=card.funding,
        incremental_authorization=_UNAVAILABLE, last4=card.last4, multicapture=_UNAVAILABLE, network=card.brand,
        network_token={"used": False}, network_transaction_id=call.new_id("", 15)[1:] if approved else None,
        overcapture={"maximum_amount_capturable": intent.amount, "status": "unavailable"},
    )  # fmt: skip
    if hold and approved:
        details.capture_before = call.now + seconds
    if authenticated:
        details.three_d_secure = {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": call.new_id("", 36)[1:],
            "version": "2.2.0",
        }
    return PaymentMethodDetails(card=details)


def _new(call: Call, intent: PaymentIntent, method: PaymentMethod, details: PaymentMethodDetails) -> Charge:
    suffix = intent.statement_descriptor_suffix
    return Charge(
        id=call.new_id("ch"),
        amount=intent.amount,
        billing_details=method.billing_details,
        calculated_statement_descriptor=f"STAND-IN* {suffix}"[:22] if suffix else "STAND-IN",
        created=call.now,
        currency=intent.currency,
        customer=intent.customer,
        description=intent.description,
        fraud_details={},
        metadata=intent.metadata,
        on_behalf_of=intent.on_behalf_of,
        outcome=_PAID,
        paid=True,
        payment_intent=intent.id or None,
        payment_method=method.id,
        payment_method_details=details,
        radar_options={},
        receipt_email=intent.receipt_email,
        shipping=intent.shipping,
        statement_descriptor_suffix=suffix,
        status="succeeded",
        transfer_data=intent.transfer_data,
        transfer_group=intent.transfer_group,
        application_fee_amount=intent.application_fee_amount,
    )


def authorize(
    call: Call, intent: PaymentIntent, method: PaymentMethod, *, hold: bool, off_session: bool, authenticated: bool
) -> Charge:
    """A charge that the bank approved: captured at once, or as a hold until `capture_before`."""
    details = _card_details(
        call, intent, method, hold=hold, off_session=off_session, authenticated=authenticated, approved=True
    )
    charge = _new(call, intent, method, details)
    card = cards.BY_FINGERPRINT[method.card.fingerprint]
    if card.risk == "elevated":
        charge.outcome = _PAID_ELEVATED
    call.put(charge)
    if hold:
        before: Any = details.card.capture_before
        due = before + call.world.expiry_lag_seconds
        what, id = ("hold_expires", intent.id) if intent.id else ("charge_expires", charge.id)
        call.schedule(due, what, id)
    else:
        _take(call, charge, charge.amount, at_once=card.bypass_pending)
    call.emit("charge.succeeded", charge)
    return charge


def decline(
    call: Call, intent: PaymentIntent, method: PaymentMethod, why: cards.Decline, *, off_session: bool
) -> Charge:
    """A charge that failed. It stays on record and is the intent's latest."""
    details = _card_details(
        call, intent, method, hold=False, off_session=off_session, authenticated=False, approved=False
    )
    charge = _new(call, intent, method, details)
    charge.paid, charge.status = False, "failed"
    charge.failure_code, charge.failure_message = why.code, why.message
    charge.outcome = Outcome(
        advice_code=why.advice_code,
        network_decline_code=why.network_decline_code,
        network_status="not_sent_to_network" if why.blocked else "declined_by_network",
        reason="highest_risk_level" if why.blocked else why.decline_code,
        risk_level="highest" if why.blocked else "normal",
        risk_score=95 if why.blocked else 20,
        type="blocked" if why.blocked else "issuer_declined",
        seller_message="Stripe blocked this payment as too risky."
        if why.blocked
        else "The bank did not return any further details with this decline.",
    )
    call.put(charge)
    call.emit("charge.failed", charge)
    return charge


def _take(call: Call, charge: Charge, amount: int, *, settled: int | None = None, at_once: bool = False) -> None:
    """`settled`: the amount of the balance transaction, where it is another."""
    settled = amount if settled is None else settled
    charge.captured, charge.amount_captured = True, amount
    application_fee = min(charge.application_fee_amount or 0, amount)
    row = balance.record(
        call,
        amount=settled,
        currency=charge.currency,
        source=charge.id,
        type="charge",
        at_once=at_once,
        description=charge.description,
        fee=balance.stripe_fee(settled, charge.currency),
        application_fee=application_fee,
    )
    charge.balance_transaction = row.id
    if application_fee and call.connected:
        accounts.collect_fee(call, charge, application_fee)


def capture(call: Call, charge: Charge, amount: int) -> None:
    """Take `amount` of a hold; the rest is released."""
    _take(call, charge, amount, settled=charge.amount if call.before("released_amounts") else None)
    call.put(charge)
    call.emit("charge.captured", charge)


def expire(call: Call, charge: Charge) -> None:
    call.put(charge)
    call.emit("charge.expired", charge)


def taken_back(account: Namespace, charge_id: str) -> int:
    """How much of the charge banks have taken and not given back: that part can be neither refunded nor disputed."""
    return sum(
        dispute.amount
        for dispute in account.of["dispute"].newest_first("charge", charge_id)
        if dispute.status in ("needs_response", "under_review", "lost")
    )


def retrieve(call: Call, params: dict[str, Any], id: str) -> Charge:
    row: Charge = call.account.get("charge", id)
    return row


def update(call: Call, params: dict[str, Any], id: str) -> Charge:
    charge: Charge = call.account.get("charge", id)
    if "metadata" in params:
        charge.metadata = merge_metadata(charge.metadata, params["metadata"])
    if "description" in params:
        charge.description = params["description"] or None
    if "receipt_email" in params:
        charge.receipt_email = params["receipt_email"]
    call.put(charge)
    call.emit("charge.updated", charge)
    return charge


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "payment_intent" if "payment_intent" in params else "customer" if "customer" in params else None
    return lists.page(
        call, "charge", params, "/v1/charges", by=by, value=params.get(by or ""),
        keep=lambda row: all(name not in params or getattr(row, name) == params[name]
                             for name in ("customer", "payment_intent", "transfer_group")),
    )  # fmt: skip
