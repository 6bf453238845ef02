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
            for line in _lines(intent, book, groups, by):
                _add(namespace, intent, line)
        for id in namespace.marks["direct"]:
            charge = namespace.find("charge", id)
            if charge is not None and _wanted(charge.metadata, wanted):
                before = charge.payment_method_details.card.capture_before
                over = isinstance(before, int) and world.clock.now() >= before
                for line in _lines(charge, book, groups, by):
                    _add_charge(namespace, charge, line, held=None if over else charge.amount, expired=True)
        if book or namespace.id == world.platform.id:
            accounts[namespace.id] = book
    answer: dict[str, Any] = {"accounts": accounts}
    if by:
        answer["by"] = by
        answer["groups"] = groups
    return answer


def _lines(row: PaymentIntent | Charge, book: dict[str, Any], groups: dict[str, Any], by: str | None) -> list[Any]:
    """Where a payment counts: its account and currency, and its group if there is one."""
    into = [book.setdefault(row.currency, empty())]
    label = row.metadata.get(by) if by else None
    if label is not None:
        into.append(groups.setdefault(label, {}).setdefault(row.currency, empty()))
    return into


def _add(namespace: Namespace, intent: PaymentIntent, line: dict[str, int]) -> None:
    line["payment_intents_count"] += 1
    expired = intent.cancellation_reason in ("expired", "automatic")
    held = None if intent.status == "canceled" else intent.amount_capturable
    for charge in namespace.of["charge"].newest_first("payment_intent", intent.id):
        _add_charge(namespace, charge, line, held=held, expired=expired)


def _add_charge(namespace: Namespace, charge: Charge, line: dict[str, int], *, held: int | None, expired: bool) -> None:
    """`held`: what a hold that was not captured still holds; None: nothing, it was given back, or `expired`."""
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
        elif held is None:
            line["expired" if expired else "released"] += charge.amount
        else:
            line["live_holds"] += held
    else:
        line["charged"] += charge.amount_captured
        line["charges_count"] += 1
    if charge.captured:
        line["stripe_fees"] += stripe_fee(charge.amount_captured, charge.currency)
        line["application_fees"] += min(charge.application_fee_amount or 0, charge.amount_captured)
    for refund in namespace.of["refund"].newest_first("charge", charge.id):
        # What a hold gave back was never paid, whatever an old version calls it.
        if refund.status not in ("failed", "canceled") and refund.id not in namespace.marks["released"]:
            line["refunded"] += refund.amount
            line["refunds_count"] += 1
    line["disputed"] += taken_back(namespace, charge.id)
