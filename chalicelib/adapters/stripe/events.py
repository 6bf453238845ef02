"""Stripe's events: the relevant kinds, the signature, and the ids of tab and attempt. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import replace

from chalicelib.adapters.stripe.facts import CARD_DETACHED, DISPUTE_KINDS
from chalicelib.adapters.stripe.params import APP
from chalicelib.adapters.stripe.values import id_of, instant_of, metadata_of, text_of
from chalicelib.ports.gateway import BadSignature, GatewayEvent

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
PAGE_EXPIRED = "checkout.session.expired"
"""The one event of a Checkout Session that its payment's own events do not tell."""
SETUP_EVENTS = frozenset({"setup_intent.succeeded", "setup_intent.setup_failed"})
REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed"})
CHARGE_EXPIRED = "charge.expired"
DISPUTE_UPDATED = "charge.dispute.updated"
DISPUTE_EVENTS = DISPUTE_KINDS | {DISPUTE_UPDATED}
CUSTOMER_DELETED = "customer.deleted"
FRAUD_WARNING = "radar.early_fraud_warning.created"
CARD_EVENTS = frozenset({CARD_DETACHED, "payment_method.automatically_updated"})
ACCOUNT_EVENTS = {"account.application.authorized": True, "account.application.deauthorized": False}
"""Event kinds that say whether a connected account is connected from then on."""
RELEVANT_EVENTS = (
    INTENT_EVENTS
    | SETUP_EVENTS
    | REFUND_EVENTS
    | DISPUTE_EVENTS
    | CARD_EVENTS
    | {PAGE_EXPIRED, CHARGE_EXPIRED, CUSTOMER_DELETED, FRAUD_WARNING, *ACCOUNT_EVENTS}
)

TOLERANCE_S = 300


def check_signature(payload: bytes, header: str, secrets: Sequence[str], now_s: float) -> None:
    """Raise BadSignature unless one of the secrets signed these bytes within five minutes before or after `now_s`.

    https://docs.stripe.com/webhooks#verify-manually. The SDK's check is not used, because it accepts only one secret,
    reads the wall clock itself, and accepts events dated in the future.
    """
    fields = [item.partition("=")[::2] for item in header.split(",")]
    stamps = [value for name, value in fields if name.strip() == "t"]
    given = [value.encode() for name, value in fields if name.strip() == "v1"]
    if len(stamps) != 1 or not given:
        raise BadSignature("The Stripe-Signature header is missing or has no time and v1 signature.")
    signed = stamps[0].encode() + b"." + payload
    # Anybody could sign with an empty secret.
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets if secret.strip()]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise BadSignature("No secret of ours made this signature.")
    if not stamps[0].isascii() or not stamps[0].isdigit() or abs(now_s - int(stamps[0])) > TOLERANCE_S:
        raise BadSignature("The signature is too old, or dated in the future.")


def read_event(payload: bytes, stage: str, *, live: bool) -> GatewayEvent:
    """Parse an event. Raises BadSignature if the bytes are not one."""
    try:
        return event_of(msgspec.json.decode(payload), stage, live=live)
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise BadSignature(f"The body is signed, but is no event that can be read ({type(error).__name__}).") from None


def event_of(event: Mapping[str, Any], stage: str, *, live: bool) -> GatewayEvent:
    """The event, from Stripe's event object. `live`: whether this stage works with live money.

    Raises ValueError, LookupError, TypeError and the like for an invalid object.
    """
    body = event["data"]["object"]
    if event["object"] != "event" or not isinstance(body["id"], str | None):
        raise ValueError("not an event")
    kind = event["type"]
    read = GatewayEvent(
        event_id=text_of(event["id"]),
        kind=text_of(kind),
        account=event.get("account"),
        occurred_at=datetime.fromtimestamp(event["created"], UTC),
        # A few kinds, none relevant to us, have an object without an id, for example a balance.
        object_id=body.get("id") or "",
        payment_id=id_of(body) if body.get("object") == "payment_intent" else id_of(body.get("payment_intent")),
        charge_id=id_of(body) if body.get("object") == "charge" else id_of(body.get("charge")),
        customer_ref=_card_owner(event, body) if kind in CARD_EVENTS else None,
        payment_made_at=instant_of(body.get("created")) if body.get("object") == "payment_intent" else None,
        is_relevant=kind in RELEVANT_EVENTS,
        is_connected=ACCOUNT_EVENTS.get(kind),
        is_of_our_mode={event["livemode"], body.get("livemode", event["livemode"])} == {live},
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
    """The customer of the card; for a detached card, the previous one."""
    before = event["data"].get("previous_attributes") or {}
    return id_of(body.get("customer")) or id_of(before.get("customer"))


def is_ours(metadata: Mapping[str, str], stage: str) -> bool:
    return metadata.get("app") == APP and metadata.get("stage") == stage


def owned(event: GatewayEvent, metadata: Mapping[str, str], stage: str) -> GatewayEvent:
    """The event with the ids from this metadata."""
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
