"""Owns refunds: partial and whole, never above what was captured, and the ones that a bank settles or rejects later."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from . import accounts, balance, cards, charges, lists
from .context import Call
from .currencies import check_step, written
from .errors import invalid, refused
from .objects import Charge, Refund
from .params import EXPAND, PAGE, TIME_RANGE, Fields, boolean, enum, integer, merge_metadata, metadata, string

CREATE: Fields = {
    "amount": integer,
    "charge": string,
    "payment_intent": string,
    "metadata": metadata,
    "reason": enum("duplicate", "fraudulent", "requested_by_customer"),
    "refund_application_fee": boolean,
    **EXPAND,
}
UPDATE: Fields = {"metadata": metadata, **EXPAND}
LIST: Fields = {**PAGE, "charge": string, "payment_intent": string, "created": TIME_RANGE}
# The documentation says only that these two test cards change their mind "asynchronously". An hour of business time
# lets a test stand on both sides of it.
SETTLES_AFTER_SECONDS = 3600
# https://docs.stripe.com/api/refunds/object#refund_object-failure_reason, those that a card's refund can have.
FAILURES = (
    "charge_for_pending_refund_disputed", "declined", "expired_or_canceled_card", "insufficient_funds",
    "lost_or_stolen_card", "merchant_request", "unknown",
)  # fmt: skip
_DESTINATION = {
    "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
    "type": "card",
}


def check_create(call: Call, params: dict[str, Any]) -> None:
    if ("charge" in params) == ("payment_intent" in params):
        if "charge" in params:
            raise invalid("You may only specify one of these parameters: charge, payment_intent.", param="charge")
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    if params.get("amount", 1) < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )


def _charge_of(call: Call, params: dict[str, Any]) -> Charge:
    if "charge" in params:
        found: Charge = call.account.get("charge", params["charge"], "charge")
        return found
    intent = call.account.get("payment_intent", params["payment_intent"], "payment_intent")
    charge: Charge | None = call.account.find("charge", intent.latest_charge or "")
    if charge is None or charge.status != "succeeded" or not charge.captured:
        raise refused(
            f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return charge


def create(call: Call, params: dict[str, Any]) -> Refund:
    charge = _charge_of(call, params)
    if charge.status != "succeeded":
        raise refused(f"Charge {charge.id} has not succeeded, so there is nothing to refund.", param="charge")
    if not charge.captured and charge.payment_intent is None:
        raise refused(f"Charge {charge.id} was not captured: let it expire, or capture it first.", param="charge")
    if not charge.captured:
        raise refused(
            "This uncaptured Charge was created by a PaymentIntent. You must cancel the PaymentIntent to reverse the "
            "authorization instead of refunding the Charge directly. For more information, see "
            "https://stripe.com/docs/payments/capture-later.",
            param="charge",
        )
    taken = charge.amount if call.marked("released", charge.id) else charge.amount_captured
    left = taken - charge.amount_refunded
    # What a bank has taken already cannot be given back a second time; the rest of a charge still can.
    gone = charges.taken_back(call.account, charge.id) if charge.disputed else 0
    if gone >= left > 0:
        raise refused(
            f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed", param="charge"
        )
    left -= gone
    if left <= 0:
        raise refused(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded", param="charge")
    amount = params.get("amount", left)
    if amount > left:
        of = "unrefunded amount on charge" if charge.amount_refunded else "charge amount"
        raise refused(
            f"Refund amount ({written(amount, charge.currency)}) is greater than {of} "
            f"({written(left, charge.currency)})",
            param="amount",
        )
    check_step(amount, charge.currency, "amount")

    if params.get("refund_application_fee") and charge.application_fee is None:
        raise refused("This charge has no application fee to refund.", param="refund_application_fee")

    fate = cards.BY_FINGERPRINT[charge.payment_method_details.card.fingerprint].refund
    refund = Refund(
        id=call.new_id("re"),
        amount=amount,
        charge=charge.id,
        created=call.now,
        currency=charge.currency,
        customer=charge.customer,
        destination_details=_DESTINATION,
        metadata=merge_metadata({}, params.get("metadata", {})),
        payment_intent=charge.payment_intent,
        payment_method=charge.payment_method,
        reason=params.get("reason"),
        status="pending" if fate == "pending" else "succeeded",
    )
    if fate == "pending":
        refund.pending_reason = "processing"
    moved = balance.record(
        call, amount=-amount, currency=charge.currency, source=refund.id, type="refund", description="REFUND FOR CHARGE"
    )
    refund.balance_transaction = moved.id
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded == taken
    call.put(refund)
    call.put(charge)
    if params.get("refund_application_fee"):
        accounts.refund_fee(call, charge, amount)
    call.emit("refund.created", refund)
    call.emit("charge.refunded", charge)
    if fate:
        call.schedule(call.now + SETTLES_AFTER_SECONDS, f"refund_{fate}", refund.id)
    return refund


def release(call: Call, charge: Charge, amount: int) -> None:
    """What a hold gives back, a Refund until 2025-03-31.basil (`released_amounts`); the customer never paid it."""
    refund = Refund(
        id=call.new_id("re"), amount=amount, charge=charge.id, created=call.now, currency=charge.currency,
        customer=charge.customer, destination_details=_DESTINATION, metadata={}, payment_intent=charge.payment_intent,
        payment_method=charge.payment_method,
    )  # fmt: skip
    call.mark("released", refund.id)
    call.mark("released", charge.id)
    if charge.captured:
        fee = balance.stripe_fee(charge.amount_captured, charge.currency)
        moved = balance.record(
            call, amount=-amount, currency=charge.currency, source=refund.id, type="refund",
            description="REFUND FOR CHARGE", fee=fee - balance.stripe_fee(charge.amount, charge.currency),
        )  # fmt: skip
        refund.balance_transaction = moved.id
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded == charge.amount
    call.put(refund)
    call.put(charge)
    call.emit("charge.refunded", charge)
    call.emit("charge.refund.updated", refund)


def settle(call: Call, id: str) -> None:
    """A pending refund arrived."""
    refund: Refund | None = call.account.find("refund", id)
    if refund is None or refund.status != "pending":
        return
    refund.status, refund.pending_reason = "succeeded", UNSET
    call.put(refund)
    _told(call, refund, "refund.updated", {"status": "pending"})


def overtaken(call: Call, charge_id: str) -> None:
    """The customer disputed the charge while its refund was under way: the refund fails, or they would be paid twice.
    https://docs.stripe.com/refunds#failed-refunds
    """
    for refund in list(call.account.of["refund"].newest_first("charge", charge_id)):
        if refund.status == "pending":
            fail(call, refund.id, "charge_for_pending_refund_disputed")


def fail(call: Call, id: str, reason: str = "unknown") -> None:
    """The bank sent the money back: the merchant has it again and the charge counts as not refunded."""
    refund: Refund | None = call.account.find("refund", id)
    if refund is None or refund.status not in ("pending", "succeeded"):
        return
    previous = refund.status
    charge: Charge = call.account.get("charge", refund.charge)
    back = balance.record(
        call,
        amount=refund.amount,
        currency=refund.currency,
        source=refund.id,
        type="refund_failure",
        description="REFUND FAILURE",
    )
    refund.status, refund.failure_reason, refund.failure_balance_transaction = "failed", reason, back.id
    charge.amount_refunded -= refund.amount
    charge.refunded = False
    call.put(refund)
    call.put(charge)
    _told(call, refund, "refund.failed", {"status": previous})


def _told(call: Call, refund: Refund, type: str, previous: dict[str, Any]) -> None:
    for name in {type, "refund.updated", "charge.refund.updated"}:
        call.emit(name, refund, previous if name.endswith("updated") else None)


def retrieve(call: Call, params: dict[str, Any], id: str) -> Refund:
    row: Refund = call.account.get("refund", id)
    return row


def update(call: Call, params: dict[str, Any], id: str) -> Refund:
    refund: Refund = call.account.get("refund", id)
    before = refund.metadata
    refund.metadata = merge_metadata(refund.metadata, params.get("metadata", {}))
    call.put(refund)
    _told(call, refund, "refund.updated", {"metadata": before})
    return refund


def cancel(call: Call, params: dict[str, Any], id: str) -> Refund:
    refund: Refund = call.account.get("refund", id)
    raise refused(
        f"You cannot cancel this Refund because it has a status of {refund.status}. Only a Refund with one of the "
        "following statuses may be canceled: requires_action.",
        code="refund_unexpected_state",
    )


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "charge" if "charge" in params else "payment_intent" if "payment_intent" in params else None
    return lists.page(call, "refund", params, "/v1/refunds", by=by, value=params.get(by or ""))
