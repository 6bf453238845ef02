"""One payment with everything that Stripe has about it, for reconciliation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from chalicelib.adapters.stripe.events import is_ours
from chalicelib.adapters.stripe.facts import facts_of_dispute_now, facts_of_intent, facts_of_refund, of_payment
from chalicelib.adapters.stripe.params import from_wire
from chalicelib.adapters.stripe.values import EPOCH, currency_of, instant_of, metadata_of
from chalicelib.domain.books.differences import Payment
from chalicelib.domain.tab.facts.fact import Fact, FactKind


def payment_of(
    intent: Mapping[str, Any],
    stage: str,
    refunds: Iterable[Mapping[str, Any]] | None = None,
    disputes: Iterable[Mapping[str, Any]] | None = None,
) -> Payment:
    """The payment with its reversals (newest first, as listed; None if they were not asked for).

    Raises ValueError as facts_of_intent does.
    """
    made_at, charge = instant_of(intent["created"]) or EPOCH, intent.get("latest_charge")
    of_refunds = [fact for refund in _oldest_first(refunds) for fact in facts_of_refund(refund, _made_at(refund))]
    of_disputes = [fact for dispute in _oldest_first(disputes) for fact in facts_of_dispute_now(dispute)]
    metadata = metadata_of(intent) if is_ours(metadata_of(intent), stage) else {}
    return Payment(
        payment_id=intent["id"],
        currency=currency_of(intent),
        made_at=made_at,
        state_fact=next(iter(facts_of_intent(intent, _moved_at(charge) or made_at)), None),
        merchant_id=metadata.get("merchant"),
        tab_id=metadata.get("tab"),
        attempt_id=metadata.get("attempt"),
        refunds=of_payment(intent["id"], of_refunds),
        disputes=of_payment(intent["id"], of_disputes),
        fees=tuple(_fees(intent, [charge, *(refunds or ())], disputes or ())),
        is_whole=refunds is not None or not _is_reversed(charge),
    )


def _fees(intent: Mapping[str, Any], moved: Iterable[Any], disputes: Iterable[Mapping[str, Any]]) -> Iterator[Fact]:
    """Stripe's fee of each balance transaction, unless that is in another currency."""
    movements = [found.get("balance_transaction") for found in moved if isinstance(found, Mapping)]
    movements += [movement for dispute in disputes for movement in dispute.get("balance_transactions") or ()]
    for movement in movements:
        if isinstance(movement, Mapping) and movement["fee"] and movement["currency"] == intent["currency"]:
            yield Fact(
                kind=FactKind.PROCESSING_FEE,
                object_id=movement["id"],
                at=_made_at(movement),
                amount_minor=from_wire(movement["fee"], movement["currency"]),
                currency=currency_of(movement),
                payment_id=intent["id"],
            )


def _oldest_first(listed: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    return list(listed or ())[::-1]


def _made_at(found: Mapping[str, Any]) -> datetime:
    return instant_of(found.get("created")) or EPOCH


def _moved_at(charge: Any) -> datetime | None:
    """When the money was received: a hold may be captured long after its charge was created."""
    movement = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    return instant_of(movement.get("created")) if isinstance(movement, Mapping) else None


def _is_reversed(charge: Any) -> bool:
    return isinstance(charge, Mapping) and bool(charge.get("amount_refunded") or charge.get("disputed"))
