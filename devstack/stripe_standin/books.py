"""Owns the totals that others reconcile with: what was held, captured, released, expired, charged and refunded.

Computed from the objects on every call, never kept beside them: a total that could drift would prove nothing.
"""

from __future__ import annotations

from typing import Any

from .balance import stripe_fee
from .charges import taken_back
from .objects import Charge, PaymentIntent
from .store import Namespace, World

FIELDS = (
    "authorized",
    "captured",
    "released",
    "expired",
    "live_holds",
    "charged",
    "refunded",
    "disputed",
    "stripe_fees",
    "application_fees",
)
COUNTS = ("holds", "charges", "refunds", "declines", "payment_intents")


def empty() -> dict[str, int]:
    return {**dict.fromkeys(FIELDS, 0), **{f"{name}_count": 0 for name in COUNTS}}


def _wanted(metadata: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(metadata.get(key) == value for key, value in wanted.items())


def totals(world: World, *, wanted: dict[str, str], by: str | None, account: str | None = None) -> dict[str, Any]:
    """Sums in Stripe's smallest units: by account and currency, and by the metadata key `by` when given.

    authorized = captured + released + expired + live_holds, for holds; `charged` are payments taken at once.
    Refunds that failed do not count.
    """
    accounts: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for namespace in world.accounts.values():
        if account is not None and namespace.id != account:
            continue
        book: dict[str, dict[str, int]] = {}
        for intent in namespace.of["payment_intent"].oldest_first():
            if not _wanted(intent.metadata, wanted):
                continue
            into = [book.setdefault(intent.currency, empty())]
            label = intent.metadata.get(by) if by else None
            if label is not None:
                into.append(groups.setdefault(label, {}).setdefault(intent.currency, empty()))
            for line in into:
                _add(namespace, intent, line)
        if book or namespace.id == world.platform.id:
            accounts[namespace.id] = book
    answer: dict[str, Any] = {"accounts": accounts}
    if by:
        answer["by"] = by
        answer["groups"] = groups
    return answer


def _add(namespace: Namespace, intent: PaymentIntent, line: dict[str, int]) -> None:
    line["payment_intents_count"] += 1
    for charge in namespace.of["charge"].newest_first("payment_intent", intent.id):
        _add_charge(namespace, intent, charge, line)


def _add_charge(namespace: Namespace, intent: PaymentIntent, charge: Charge, line: dict[str, int]) -> None:
    if charge.status == "failed":
        line["declines_count"] += 1
        return
    was_hold = charge.payment_method_details.card.capture_before
    if isinstance(was_hold, int):
        line["authorized"] += charge.amount
        line["holds_count"] += 1
        line["captured"] += charge.amount_captured
        if charge.captured:
            line["released"] += charge.amount - charge.amount_captured
        elif intent.status == "canceled":
            line["expired" if intent.cancellation_reason in ("expired", "automatic") else "released"] += charge.amount
        else:
            line["live_holds"] += intent.amount_capturable
    else:
        line["charged"] += charge.amount_captured
        line["charges_count"] += 1
    if charge.captured:
        line["stripe_fees"] += stripe_fee(charge.amount_captured, charge.currency)
        line["application_fees"] += min(charge.application_fee_amount or 0, charge.amount_captured)
    for refund in namespace.of["refund"].newest_first("charge", charge.id):
        if refund.status not in ("failed", "canceled"):
            line["refunded"] += refund.amount
            line["refunds_count"] += 1
    line["disputed"] += taken_back(namespace, charge.id)
