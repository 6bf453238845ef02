"""Maps between our words and Stripe's objects, purely: what an attempt sends, what an object tells, whose an event is.

Objects are plain dicts here. When to ask Stripe for one, and what its errors mean, is stripe_gateway's.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.books.reconciliation import Payment
from chalicelib.domain.tab.facts import Fact, FactKind
from chalicelib.domain.tab.tab import Attempt, Card, Failure, Operation, Tab
from chalicelib.ports import BadSignature, GatewayEvent

APP = "aftertab"
_EPOCH = datetime.fromtimestamp(0, UTC)

# ---- Amounts

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
    """One key an attempt (https://docs.stripe.com/api/idempotent_requests): a replay repeats nothing."""
    return f"{stage}/{attempt.attempt_id}/{attempt.operation}"


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
        "customer": tab.customer_ref,
        "capture_method": "manual" if attempt.operation == Operation.PLACE_HOLD else "automatic",
        "allowed_payment_method_types": ["card"],
        "metadata": metadata,
        "expand": ["latest_charge"],
        **_how_to_pay(attempt),
    }


def _how_to_pay(attempt: Attempt) -> dict[str, Any]:
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


# ---- What a payment tells

_EXPIRED = frozenset({"automatic", "expired"})
"""Reasons for a cancellation nobody asked for: the hold's time was over. `expired` since 2025-03-31.basil."""


def needs_charge(intent: Mapping[str, Any]) -> bool:
    """Whether its facts take the charge, which the intent here only names: a hold's end and the card are told there."""
    if isinstance(intent.get("latest_charge"), Mapping):
        return False
    if intent["status"] == "requires_capture":
        return True
    return intent["status"] == "succeeded" and not _is_hold(intent) and _saves_card(intent)


def facts_of_intent(intent: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """The payment as it stands, as facts; `at` is their time where the object itself names none.

    https://docs.stripe.com/payments/paymentintents/lifecycle. Raises ValueError for a hold that doesn't say until when.
    """
    status = intent["status"]
    if status == "requires_capture":
        return (_hold_placed(intent),)
    if status == "succeeded":
        return (_captured(intent, at) if _is_hold(intent) else _charged(intent, at),)
    if status == "canceled":
        expired = intent.get("cancellation_reason") in _EXPIRED
        kind = FactKind.PAYMENT_EXPIRED if expired else FactKind.PAYMENT_CANCELED
        return (_fact(kind, intent, _time(intent.get("canceled_at")) or at),)
    if status == "processing":
        return (_fact(FactKind.PROCESSING, intent, at),)
    if status == "requires_action":
        return (_awaiting(intent, at),)
    if status in ("requires_payment_method", "requires_confirmation"):
        return (_unpaid(intent, at),)
    return ()


def _hold_placed(intent: Mapping[str, Any]) -> Fact:
    charge = intent.get("latest_charge")
    capture_before = _time(_card_details(charge).get("capture_before"))
    placed_at = _charged_at(charge)
    if placed_at is None or capture_before is None:
        # How long a hold lasts is the bank's to say; a guess of ours would charge or lose a deposit.
        raise ValueError(f"the hold {intent['id']} does not say until when it can be captured")
    return replace(
        _fact(FactKind.HOLD_PLACED, intent, placed_at),
        amount_minor=from_wire(intent["amount_capturable"], intent["currency"]),
        capture_before=capture_before,
        card=_saved_card(intent, placed_at),
    )


def _captured(intent: Mapping[str, Any], at: datetime) -> Fact:
    amount_minor = from_wire(intent["amount_received"], intent["currency"])
    return replace(_fact(FactKind.HOLD_CAPTURED, intent, at), amount_minor=amount_minor)


def _charged(intent: Mapping[str, Any], at: datetime) -> Fact:
    taken_at = _charged_at(intent.get("latest_charge")) or at
    return replace(
        _fact(FactKind.CHARGED, intent, taken_at),
        amount_minor=from_wire(intent["amount_received"], intent["currency"]),
        card=_saved_card(intent, taken_at),
    )


def _unpaid(intent: Mapping[str, Any], at: datetime) -> Fact:
    """Not confirmed yet, or declined. A bank's question to an absent customer comes as a decline, and is none.

    https://docs.stripe.com/payments/save-and-reuse: the same intent is then confirmed by the customer.
    """
    error = intent.get("last_payment_error")
    if not error:
        return _awaiting(intent, at)
    if error.get("code") == "authentication_required":
        return replace(_awaiting(intent, at), failure=failure_of(error))
    # With the secret: where a decline is the first that is heard of a payment, the phone may still go on with it.
    return replace(
        _fact(FactKind.DECLINED, intent, at),
        failure=failure_of(error),
        occurrence=_occurrence(error),
        client_secret=intent.get("client_secret"),
    )


def _awaiting(intent: Mapping[str, Any], at: datetime) -> Fact:
    return replace(_fact(FactKind.AWAITING_CUSTOMER, intent, at), client_secret=intent.get("client_secret"))


def _occurrence(error: Mapping[str, Any]) -> str:
    """What tells this decline from the next: its charge; a failed authentication makes none, but names the card."""
    return str(error.get("charge") or id_of(error.get("payment_method")) or error.get("code") or "")


def _fact(kind: FactKind, intent: Mapping[str, Any], at: datetime) -> Fact:
    return Fact(kind=kind, object_id=intent["id"], at=at, attempt_id=metadata_of(intent).get("attempt"))


def _is_hold(intent: Mapping[str, Any]) -> bool:
    return intent.get("capture_method") == "manual"


def _saves_card(intent: Mapping[str, Any]) -> bool:
    return intent.get("setup_future_usage") == "off_session"


def _saved_card(intent: Mapping[str, Any], at: datetime) -> Card | None:
    """The card that this payment has attached to the customer. One that was saved before is no news."""
    card_id, details = id_of(intent.get("payment_method")), _card_details(intent.get("latest_charge"))
    if not _saves_card(intent) or card_id is None or not details:
        return None
    return Card(card_id=card_id, brand=details.get("brand") or "card", last4=details.get("last4") or "", saved_at=at)


def _charged_at(charge: Any) -> datetime | None:
    return _time(charge.get("created")) if isinstance(charge, Mapping) else None


def _card_details(charge: Any) -> Mapping[str, Any]:
    if not isinstance(charge, Mapping):
        return {}
    return (charge.get("payment_method_details") or {}).get("card") or {}


# ---- What declines, refunds, charges and setups tell


def failure_of(error: Mapping[str, Any]) -> Failure:
    """An error of Stripe's in its own codes (https://docs.stripe.com/declines/codes)."""
    code = error.get("code") or error.get("type") or "error"
    return Failure(code=code, decline_code=error.get("decline_code"), advice=error.get("advice_code"))


def declined_without_payment(attempt: Attempt, failure: Failure, occurrence: str = "") -> Fact:
    """A decline that left no payment behind: it is told of the attempt itself."""
    return Fact(
        kind=FactKind.DECLINED,
        object_id=attempt.attempt_id,
        attempt_id=attempt.attempt_id,
        at=attempt.created_at,
        failure=failure,
        occurrence=occurrence,
    )


_REFUND_KINDS = {
    "succeeded": FactKind.REFUNDED,
    "pending": FactKind.REFUND_PENDING,
    "requires_action": FactKind.REFUND_PENDING,
    "failed": FactKind.REFUND_FAILED,
    # Stopped while pending: the money has stayed with us.
    "canceled": FactKind.REFUND_FAILED,
}


def is_final_refund(refund: Mapping[str, Any]) -> bool:
    """Whether the refund can't change any more. One that succeeded may still fail, days later.

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
        attempt_id=metadata_of(refund).get("attempt"),
        payment_id=id_of(refund.get("payment_intent")),
        failure=failure,
    )
    return (fact,)


_DISPUTE_KINDS = {
    "charge.dispute.created": FactKind.DISPUTE_OPENED,
    "charge.dispute.funds_withdrawn": FactKind.DISPUTE_WITHDRAWN,
    "charge.dispute.funds_reinstated": FactKind.DISPUTE_REINSTATED,
}
_DISPUTE_ENDS = {"won": FactKind.DISPUTE_WON, "lost": FactKind.DISPUTE_LOST}


def facts_of_dispute(kind: str, dispute: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """What an event about a dispute tells. An inquiry (`warning_…`) takes no money: none.

    https://docs.stripe.com/disputes/how-disputes-work#inquiries
    """
    status = dispute.get("status") or ""
    told = _DISPUTE_ENDS.get(status) if kind == "charge.dispute.closed" else _DISPUTE_KINDS.get(kind)
    if told is None or status.startswith("warning_"):
        return ()
    fact = Fact(
        kind=told,
        object_id=dispute["id"],
        at=at,
        amount_minor=from_wire(dispute["amount"], dispute["currency"]),
        payment_id=id_of(dispute.get("payment_intent")),
    )
    return (fact,)


def facts_of_dispute_now(dispute: Mapping[str, Any]) -> tuple[Fact, ...]:
    """All that the events about the dispute have told so far, from the dispute itself."""
    at = _time(dispute.get("created")) or _EPOCH
    moved = [movement.get("amount", 0) for movement in dispute.get("balance_transactions") or ()]
    kinds = ["charge.dispute.created"]
    kinds += ["charge.dispute.funds_withdrawn"] if any(amount < 0 for amount in moved) else []
    kinds += ["charge.dispute.closed"]
    kinds += ["charge.dispute.funds_reinstated"] if any(amount > 0 for amount in moved) else []
    return tuple(fact for kind in kinds for fact in facts_of_dispute(kind, dispute, at))


def facts_of_card_event(kind: str, method: Mapping[str, Any], at: datetime) -> tuple[Fact, ...]:
    """A saved card was detached, or replaced by the bank under the same id."""
    if kind == CARD_DETACHED:
        return (Fact(kind=FactKind.CARD_REMOVED, object_id=method["id"], at=at),)
    saved = card_saved(method["id"], method, at)
    # Replaced twice, it is news twice: the digits tell the two apart.
    return (replace(saved, kind=FactKind.CARD_UPDATED, occurrence=saved.card.last4 if saved.card else ""),)


def expired(payment_id: str, attempt_id: str | None, at: datetime) -> Fact:
    """The hold's time is over."""
    return Fact(kind=FactKind.PAYMENT_EXPIRED, object_id=payment_id, at=at, attempt_id=attempt_id)


def card_saved(setup_id: str, method: Mapping[str, Any], at: datetime) -> Fact:
    card = method.get("card") or {}
    return Fact(
        kind=FactKind.CARD_SAVED,
        object_id=setup_id,
        at=at,
        card=Card(card_id=method["id"], brand=card.get("brand") or "card", last4=card.get("last4") or "", saved_at=at),
    )


# ---- What there is


def payment_of(
    intent: Mapping[str, Any],
    stage: str,
    refunds: Iterable[Mapping[str, Any]] | None = None,
    disputes: Iterable[Mapping[str, Any]] | None = None,
) -> Payment:
    """The payment with its reversals (newest first, as listed; None where they were not asked for).

    Raises ValueError as facts_of_intent does.
    """
    made_at, charge = _time(intent["created"]) or _EPOCH, intent.get("latest_charge")
    metadata = metadata_of(intent) if is_ours(metadata_of(intent), stage) else {}
    return Payment(
        payment_id=intent["id"],
        currency=intent["currency"].upper(),
        made_at=made_at,
        told=next(iter(facts_of_intent(intent, _moved_at(charge) or made_at)), None),
        merchant_id=metadata.get("merchant"),
        tab_id=metadata.get("tab"),
        attempt_id=metadata.get("attempt"),
        refunds=tuple(fact for refund in _oldest_first(refunds) for fact in facts_of_refund(refund, _made_at(refund))),
        disputes=tuple(fact for dispute in _oldest_first(disputes) for fact in facts_of_dispute_now(dispute)),
        fees=tuple(_fees(intent, [charge, *(refunds or ())], disputes or ())),
        is_whole=refunds is not None or not _is_reversed(charge),
    )


def _fees(intent: Mapping[str, Any], moved: Iterable[Any], disputes: Iterable[Mapping[str, Any]]) -> Iterator[Fact]:
    """What Stripe kept of each movement. Of one that was settled in another currency it is in that one: not ours."""
    movements = [found.get("balance_transaction") for found in moved if isinstance(found, Mapping)]
    movements += [movement for dispute in disputes for movement in dispute.get("balance_transactions") or ()]
    for movement in movements:
        if isinstance(movement, Mapping) and movement["fee"] and movement["currency"] == intent["currency"]:
            yield Fact(
                kind=FactKind.PROCESSING_FEE,
                object_id=movement["id"],
                at=_made_at(movement),
                amount_minor=from_wire(movement["fee"], movement["currency"]),
                payment_id=intent["id"],
            )


def _oldest_first(listed: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    return list(listed or ())[::-1]


def _made_at(found: Mapping[str, Any]) -> datetime:
    return _time(found.get("created")) or _EPOCH


def _moved_at(charge: Any) -> datetime | None:
    """When its money came in: a hold's is captured long after the charge was made."""
    movement = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    return _time(movement.get("created")) if isinstance(movement, Mapping) else None


def _is_reversed(charge: Any) -> bool:
    return isinstance(charge, Mapping) and bool(charge.get("amount_refunded") or charge.get("disputed"))


# ---- Events

INTENT_EVENTS = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.requires_action",
        "payment_intent.processing",
    }
)
SETUP_EVENTS = frozenset({"setup_intent.succeeded", "setup_intent.setup_failed"})
REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed"})
CHARGE_EXPIRED = "charge.expired"
DISPUTE_EVENTS = frozenset({*_DISPUTE_KINDS, "charge.dispute.closed"})
CARD_DETACHED = "payment_method.detached"
CARD_EVENTS = frozenset({CARD_DETACHED, "payment_method.automatically_updated"})
RELEVANT_EVENTS = INTENT_EVENTS | SETUP_EVENTS | REFUND_EVENTS | DISPUTE_EVENTS | CARD_EVENTS | {CHARGE_EXPIRED}

TOLERANCE_S = 300


def check_signature(payload: bytes, header: str, secrets: Sequence[str], now_s: float) -> None:
    """Raise BadSignature unless one of the secrets signed these very bytes within five minutes of `now_s`, either way.

    https://docs.stripe.com/webhooks#verify-manually. By hand, because the SDK takes one secret, reads the wall clock
    itself, and lets through what is dated in the future.
    """
    fields = [item.partition("=")[::2] for item in header.split(",")]
    stamps = [value for name, value in fields if name.strip() == "t"]
    given = [value.encode() for name, value in fields if name.strip() == "v1"]
    if len(stamps) != 1 or not given:
        raise BadSignature("The Stripe-Signature header is missing or has no time and v1 signature.")
    signed = stamps[0].encode() + b"." + payload
    # An empty secret would be everybody's.
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets if secret.strip()]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise BadSignature("No secret of ours made this signature.")
    if not stamps[0].isascii() or not stamps[0].isdigit() or abs(now_s - int(stamps[0])) > TOLERANCE_S:
        raise BadSignature("The signature is too old, or dated in the future.")


def read_event(payload: bytes, stage: str) -> GatewayEvent:
    """The event in these bytes. Raises BadSignature where they are none."""
    try:
        return event_of(json.loads(payload.decode("utf-8")), stage)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise BadSignature(f"The body is signed, but is no event that can be read ({type(error).__name__}).") from None


def event_of(event: Mapping[str, Any], stage: str) -> GatewayEvent:
    """The event as Stripe lists it. Raises ValueError, LookupError, TypeError and the like for what is none."""
    body = event["data"]["object"]
    if event["object"] != "event" or not isinstance(body["id"], str | None):
        raise ValueError("not an event")
    kind = event["type"]
    read = GatewayEvent(
        event_id=_text(event["id"]),
        kind=_text(kind),
        account=event.get("account"),
        occurred_at=datetime.fromtimestamp(event["created"], UTC),
        # A few kinds, none of them ours, are about something without an id (a balance, say).
        object_id=body.get("id") or "",
        payment_id=id_of(body) if body.get("object") == "payment_intent" else id_of(body.get("payment_intent")),
        customer_ref=_card_owner(event, body) if kind in CARD_EVENTS else None,
        is_relevant=kind in RELEVANT_EVENTS,
        ours=False,
        merchant_id=None,
        customer_id=None,
        tab_id=None,
        attempt_id=None,
        body=body,
        request_id=_request_id(event),
    )
    return owned(read, metadata_of(body), stage)


def _request_id(event: Mapping[str, Any]) -> str | None:
    request = event.get("request")
    found = request.get("id") if isinstance(request, dict) else None
    return found if isinstance(found, str) else None


def _card_owner(event: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    """Whose card it is; of a detached one, whose it was."""
    before = event["data"].get("previous_attributes") or {}
    return id_of(body.get("customer")) or id_of(before.get("customer"))


def is_ours(metadata: Mapping[str, str], stage: str) -> bool:
    return metadata.get("app") == APP and metadata.get("stage") == stage


def owned(event: GatewayEvent, metadata: Mapping[str, str], stage: str) -> GatewayEvent:
    """The event with what this metadata says of its owner."""
    if not is_ours(metadata, stage):
        return event
    return replace(
        event,
        ours=True,
        merchant_id=metadata.get("merchant"),
        customer_id=metadata.get("customer"),
        tab_id=metadata.get("tab"),
        attempt_id=metadata.get("attempt"),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


# ---- Small readings


def id_of(reference: Any) -> str | None:
    """The id behind a reference, expanded or not."""
    if isinstance(reference, Mapping):
        reference = reference.get("id")
    return reference if isinstance(reference, str) else None


def metadata_of(found: Mapping[str, Any]) -> Mapping[str, str]:
    return found.get("metadata") or {}


def _time(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
