"""Turns Stripe's objects (payments, refunds, disputes, cards) into facts. Pure.

The gateway decides when to fetch an object, and what errors mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.adapters.stripe.params import from_wire
from chalicelib.adapters.stripe.values import EPOCH, currency_of, id_of, instant_of, metadata_of
from chalicelib.domain.tab.attempt import Attempt, Failure, Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card

_EXPIRED = frozenset({"automatic", "expired"})
"""Cancellation reasons of an expired hold. `expired` exists since 2025-03-31.basil."""

CARD_DETACHED = "payment_method.detached"


def needs_charge(intent: Mapping[str, Any], *, wants_card: bool = False) -> bool:
    """Whether the facts need the charge, which this intent only names: it has the hold's expiry and the card.

    `wants_card`: they need the card of any payment, and not only of one that saves it.
    """
    if isinstance(intent.get("latest_charge"), Mapping):
        return False
    if intent["status"] == "requires_capture":
        return True
    return intent["status"] == "succeeded" and not _is_hold(intent) and (wants_card or _saves_card(intent))


def facts_of_intent(intent: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """The payment's current state, as facts. `at`: their time if the object names none.

    https://docs.stripe.com/payments/paymentintents/lifecycle. Raises ValueError for a hold without an expiry.
    """
    status = intent["status"]
    if status == "requires_capture":
        return (_hold_placed(intent),)
    if status == "succeeded":
        return (_captured(intent, at) if _is_hold(intent) else _charged(intent, at),)
    if status == "canceled":
        expired = intent.get("cancellation_reason") in _EXPIRED
        kind = FactKind.PAYMENT_EXPIRED if expired else FactKind.PAYMENT_CANCELED
        return (_fact(kind, intent, instant_of(intent.get("canceled_at")) or at),)
    if status == "processing":
        return (_fact(FactKind.PROCESSING, intent, at),)
    if status == "requires_action":
        return (_awaiting(intent, at),)
    if status in ("requires_payment_method", "requires_confirmation"):
        return (_unpaid(intent, at),)
    return ()


def _hold_placed(intent: Mapping[str, Any]) -> Fact:
    charge = intent.get("latest_charge")
    capture_before = instant_of(_card_details(charge).get("capture_before"))
    placed_at = _charged_at(charge)
    if placed_at is None or capture_before is None:
        # Only the bank knows how long a hold lasts; a guess could charge or lose a deposit.
        raise ValueError(f"the hold {intent['id']} does not say until when it can be captured")
    return replace(
        _fact(FactKind.HOLD_PLACED, intent, placed_at),
        amount_minor=from_wire(intent["amount_capturable"], intent["currency"]),
        capture_before=capture_before,
        card=_saved_card(intent, placed_at),
        fingerprint=_fingerprint(intent),
    )


def _captured(intent: Mapping[str, Any], at: datetime) -> Fact:
    amount_minor = from_wire(intent["amount_received"], intent["currency"])
    captured = _fact(FactKind.HOLD_CAPTURED, intent, at)
    return replace(captured, amount_minor=amount_minor, fingerprint=_fingerprint(intent))


def _charged(intent: Mapping[str, Any], at: datetime) -> Fact:
    taken_at = _charged_at(intent.get("latest_charge")) or at
    return replace(
        _fact(FactKind.CHARGED, intent, taken_at),
        amount_minor=from_wire(intent["amount_received"], intent["currency"]),
        card=_saved_card(intent, taken_at),
        fingerprint=_fingerprint(intent),
    )


def _unpaid(intent: Mapping[str, Any], at: datetime) -> Fact:
    """Not confirmed yet, or declined. A request to authenticate an absent customer looks like a decline, but is none.

    https://docs.stripe.com/payments/save-and-reuse: the same intent is then confirmed by the customer.
    """
    error = intent.get("last_payment_error")
    if not error:
        return _awaiting(intent, at)
    if error.get("code") == "authentication_required":
        return replace(_awaiting(intent, at), failure=failure_of(error))
    # With the client secret: if a decline is the first we hear of a payment, the phone may still continue it.
    return replace(
        _fact(FactKind.DECLINED, intent, at),
        failure=failure_of(error),
        card_id=id_of(error.get("payment_method")),
        occurrence=_occurrence(error),
        client_secret=intent.get("client_secret"),
    )


def _awaiting(intent: Mapping[str, Any], at: datetime) -> Fact:
    return replace(_fact(FactKind.AWAITING_CUSTOMER, intent, at), client_secret=intent.get("client_secret"))


def _occurrence(error: Mapping[str, Any]) -> str:
    """The identity of this decline: its charge; a failed authentication has no charge, but names the card."""
    return str(error.get("charge") or id_of(error.get("payment_method")) or error.get("code") or "")


def _fact(kind: FactKind, made: Mapping[str, Any], at: datetime) -> Fact:
    """`made`: the PaymentIntent or Checkout Session."""
    return Fact(
        kind=kind,
        object_id=made["id"],
        at=at,
        currency=currency_of(made),
        attempt_id=metadata_of(made).get("attempt"),
    )


def _is_hold(intent: Mapping[str, Any]) -> bool:
    return intent.get("capture_method") == "manual"


def _saves_card(intent: Mapping[str, Any]) -> bool:
    return intent.get("setup_future_usage") == "off_session"


def _saved_card(intent: Mapping[str, Any], at: datetime) -> Card | None:
    """The card that this payment has saved for the customer; None if it was saved before."""
    card_id, details = id_of(intent.get("payment_method")), _card_details(intent.get("latest_charge"))
    if not _saves_card(intent) or card_id is None or not details:
        return None
    return _card(card_id, details, at)


def _card(card_id: str, details: Mapping[str, Any], at: datetime) -> Card:
    return Card(
        card_id=card_id,
        brand=details.get("brand") or "card",
        last4=details.get("last4") or "",
        saved_at=at,
        fingerprint=details.get("fingerprint"),
    )


def _charged_at(charge: Any) -> datetime | None:
    return instant_of(charge.get("created")) if isinstance(charge, Mapping) else None


def _fingerprint(intent: Mapping[str, Any]) -> str | None:
    """The same for a card whoever uses it: https://docs.stripe.com/api/charges/object."""
    found = _card_details(intent.get("latest_charge")).get("fingerprint")
    return str(found) if found else None


def _card_details(charge: Any) -> Mapping[str, Any]:
    if not isinstance(charge, Mapping):
        return {}
    return (charge.get("payment_method_details") or {}).get("card") or {}


# ---- Facts of declines, refunds, charges and setups


def failure_of(error: Mapping[str, Any]) -> Failure:
    """A Stripe error as a Failure, with Stripe's codes (https://docs.stripe.com/declines/codes)."""
    code = error.get("code") or error.get("type") or "error"
    return Failure(
        code=code,
        decline_code=error.get("decline_code"),
        advice=error.get("advice_code"),
        network_code=error.get("network_decline_code"),
        network_advice=error.get("network_advice_code"),
    )


def declined_without_payment(attempt: Attempt, failure: Failure, occurrence: str = "") -> Fact:
    """A decline that created no payment; its fact names the attempt."""
    return Fact(
        kind=FactKind.DECLINED,
        object_id=attempt.attempt_id,
        attempt_id=attempt.attempt_id,
        at=attempt.created_at,
        failure=failure,
        card_id=attempt.card_id,
        occurrence=occurrence,
    )


_REFUND_KINDS = {
    "succeeded": FactKind.REFUNDED,
    "pending": FactKind.REFUND_PENDING,
    "requires_action": FactKind.REFUND_PENDING,
    "failed": FactKind.REFUND_FAILED,
    # Canceled while pending: we still have the money.
    "canceled": FactKind.REFUND_FAILED,
}


def is_final_refund(refund: Mapping[str, Any]) -> bool:
    """Whether the refund is final. One that succeeded may still fail days later.

    https://docs.stripe.com/refunds#failed-refunds
    """
    return _REFUND_KINDS.get(refund.get("status") or "") == FactKind.REFUND_FAILED


def facts_of_refund(refund: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    kind = _REFUND_KINDS.get(refund.get("status") or "")
    if kind is None:
        return ()
    failure = None
    if kind == FactKind.REFUND_FAILED:
        failure = Failure(code=refund.get("failure_reason") or refund["status"])
    fact = Fact(
        kind=kind,
        object_id=refund["id"],
        at=at,
        amount_minor=from_wire(refund["amount"], refund["currency"]),
        currency=currency_of(refund),
        attempt_id=metadata_of(refund).get("attempt"),
        payment_id=id_of(refund.get("payment_intent")),
        failure=failure,
    )
    return (fact,)


DISPUTE_CREATED, DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"
FUNDS_WITHDRAWN, FUNDS_REINSTATED = "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"
DISPUTE_KINDS = frozenset({DISPUTE_CREATED, DISPUTE_CLOSED, FUNDS_WITHDRAWN, FUNDS_REINSTATED})
DISPUTE_STATUSES = {
    "warning_needs_response": FactKind.INQUIRY_OPENED,
    "warning_under_review": FactKind.INQUIRY_OPENED,
    "warning_closed": FactKind.INQUIRY_CLOSED,
    "needs_response": FactKind.DISPUTE_OPENED,
    "under_review": FactKind.DISPUTE_OPENED,
    "appeal_needs_response": FactKind.DISPUTE_APPEALED,
    "appeal_under_review": FactKind.DISPUTE_APPEALED,
    "won": FactKind.DISPUTE_WON,
    "lost": FactKind.DISPUTE_LOST,
    "prevented": FactKind.DISPUTE_PREVENTED,
}
"""The fact of each status: https://docs.stripe.com/api/disputes/object#dispute_object-status. An inquiry (`warning_…`)
takes no money; `prevented` is final: https://docs.stripe.com/disputes/how-disputes-work#inquiries."""


def facts_of_dispute(kind: str, dispute: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """The facts of a dispute event: its money if the event is about money, otherwise its state."""
    if kind == FUNDS_WITHDRAWN:
        return _dispute_money(dispute, FactKind.DISPUTE_WITHDRAWN, at)
    if kind == FUNDS_REINSTATED:
        return _dispute_money(dispute, FactKind.DISPUTE_REINSTATED, at)
    status = DISPUTE_STATUSES.get(dispute.get("status") or "")
    return () if status is None else (_dispute_fact(dispute, status, at),)


def facts_of_dispute_now(dispute: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The facts of all events of the dispute so far, from its current state."""
    at = instant_of(dispute.get("created")) or EPOCH
    moved = _moved(dispute)
    return (
        *facts_of_dispute(DISPUTE_CREATED, dispute, at),
        *(_dispute_money(dispute, FactKind.DISPUTE_WITHDRAWN, at) if any(amount < 0 for amount in moved) else ()),
        *(_dispute_money(dispute, FactKind.DISPUTE_REINSTATED, at) if any(amount > 0 for amount in moved) else ()),
    )


def _dispute_fact(dispute: Mapping[str, Any], kind: FactKind, at: datetime) -> Fact:
    return Fact(
        kind=kind,
        object_id=dispute["id"],
        at=at,
        amount_minor=from_wire(dispute["amount"], dispute["currency"]),
        currency=currency_of(dispute),
        payment_id=id_of(dispute.get("payment_intent")),
        refundable=bool(dispute.get("is_charge_refundable")),
        reason=dispute.get("reason") or "",
        programs=tuple(dispute.get("enhanced_eligibility_types") or ()),
        # 0 where the bank takes no answer.
        respond_by=instant_of((dispute.get("evidence_details") or {}).get("due_by") or None),
    )


_NEEDS_RESPONSE = frozenset({"needs_response", "warning_needs_response"})


_PURPOSES = {
    FactKind.EVIDENCE_STAGED: Operation.STAGE_EVIDENCE.value,
    FactKind.EVIDENCE_SUBMITTED: Operation.SUBMIT_EVIDENCE.value,
}


def facts_of_evidence(dispute: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """Whether evidence is on the dispute or has gone to the bank, and which of our attempts did it, by its metadata.

    `submission_count` stays when an answered inquiry becomes a dispute, which needs an answer of its own: so what has
    been submitted counts only while the bank does not ask. https://docs.stripe.com/api/disputes/object
    """
    details, status = dispute.get("evidence_details") or {}, dispute.get("status") or ""
    if status in _NEEDS_RESPONSE:
        kind = FactKind.EVIDENCE_STAGED if details.get("has_evidence") else None
    else:
        kind = FactKind.EVIDENCE_SUBMITTED if details.get("submission_count") else None
    if kind is None:
        return ()
    metadata = metadata_of(dispute)
    # Evidence that we have staged may be submitted in the dashboard: then the metadata still names what staged it.
    is_its_own = metadata.get("purpose") == _PURPOSES[kind]
    fact = Fact(
        kind=kind,
        object_id=dispute["id"],
        at=at,
        currency=currency_of(dispute),
        attempt_id=metadata.get("attempt") if is_its_own else None,
        payment_id=id_of(dispute.get("payment_intent")),
        occurrence="inquiry" if status.startswith("warning_") else "",
    )
    return (fact,)


def _dispute_money(dispute: Mapping[str, Any], kind: FactKind, at: datetime) -> tuple[Fact, ...]:
    """The total that was withdrawn or reinstated; a partly won dispute returns less than it took.

    Balance transactions are in the account's settlement currency. If that is another one, the total is the whole
    dispute.
    """
    sign = -1 if kind == FactKind.DISPUTE_WITHDRAWN else 1
    fact = _dispute_fact(dispute, kind, at)
    movements = dispute.get("balance_transactions") or ()
    if all(movement.get("currency") == dispute["currency"] for movement in movements):
        moved = sum(amount * sign for amount in _moved(dispute) if amount * sign > 0)
        if moved:
            fact = replace(fact, amount_minor=from_wire(moved, dispute["currency"]))
    return (fact,)


def _moved(dispute: Mapping[str, Any]) -> list[int]:
    return [movement.get("amount", 0) for movement in dispute.get("balance_transactions") or ()]


def of_payment(payment_id: str | None, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts, completed with their payment if the object does not name it (the field is nullable)."""
    return tuple(replace(fact, payment_id=fact.payment_id or payment_id) for fact in facts)


def facts_of_page(page: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """A Checkout Session's state, as facts: those of its payment, once somebody has tried to pay.

    https://docs.stripe.com/api/checkout/sessions/object. `page` has its payment expanded.
    """
    status, intent = page["status"], page.get("payment_intent")
    if status == "expired":
        return (_fact(FactKind.PAYMENT_CANCELED, page, at),)
    if status == "open":
        # Whatever became of a try to pay, they can try again.
        return (replace(_fact(FactKind.AWAITING_CUSTOMER, page, at), page_url=page.get("url")),)
    return facts_of_intent(intent, at) if isinstance(intent, Mapping) else ()


def customer_gone(customer_ref: str, at: datetime, attempt_id: str | None = None) -> Fact:
    """The customer was deleted. `attempt_id`: the attempt that found it out."""
    return Fact(kind=FactKind.CUSTOMER_GONE, object_id=customer_ref, at=at, attempt_id=attempt_id)


def card_gone(attempt: Attempt) -> Fact:
    """The attempt's card is no longer attached to the customer."""
    assert attempt.card_id is not None, "it was to charge a card"
    return Fact(
        kind=FactKind.CARD_REMOVED, object_id=attempt.card_id, at=attempt.created_at, attempt_id=attempt.attempt_id
    )


def payment_gone(attempt: Attempt) -> Fact:
    """The payment that waited for the customer, or its page, is gone: it will not be made."""
    gone_id = attempt.page_id or attempt.payment_id
    assert gone_id is not None, "it waited"
    return Fact(
        kind=FactKind.PAYMENT_CANCELED,
        object_id=gone_id,
        at=attempt.created_at,
        attempt_id=attempt.attempt_id,
    )


def fraud_warned(warning: Mapping[str, Any], at: datetime) -> Fact:
    """The card's bank suspects fraud. https://docs.stripe.com/disputes/measuring#early-fraud-warnings"""
    payment_id = id_of(warning.get("payment_intent"))
    return Fact(kind=FactKind.FRAUD_WARNED, object_id=warning["id"], at=at, payment_id=payment_id)


def facts_of_card_event(kind: str, method: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """A saved card was detached, or replaced by the bank under the same id."""
    if kind == CARD_DETACHED:
        return (Fact(kind=FactKind.CARD_REMOVED, object_id=method["id"], at=at),)
    saved = card_saved(method["id"], method, at)
    # A card can be replaced twice; the digits distinguish the two facts.
    return (replace(saved, kind=FactKind.CARD_UPDATED, occurrence=saved.card.last4 if saved.card else ""),)


def expired(payment_id: str, held: Mapping[str, Any], attempt_id: str | None, at: datetime) -> Fact:
    """The hold has expired. `held`: its intent or its charge."""
    return Fact(
        kind=FactKind.PAYMENT_EXPIRED,
        object_id=payment_id,
        at=at,
        currency=currency_of(held),
        attempt_id=attempt_id,
    )


def card_saved(setup_id: str, method: Mapping[str, Any], at: datetime) -> Fact:
    return Fact(
        kind=FactKind.CARD_SAVED,
        object_id=setup_id,
        at=at,
        card=_card(method["id"], method.get("card") or {}, at),
    )
