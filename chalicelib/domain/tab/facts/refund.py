"""Facts about refunds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.facts.attempt_outcomes import (
    BANK_DECIDES,
    attempt_of,
    granted,
    know_object,
    wait_for_bank,
)
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.flag import FlagKind

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.payments import Leg


def refund_pending(draft: Draft, fact: Fact) -> None:
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in (*leg.refunds, *leg.pending_refunds, *leg.failed_refunds):
        return
    know_object(draft, fact)
    granted(draft, fact)
    draft.update_leg(leg, pending_refunds={**leg.pending_refunds, fact.object_id: fact.amount_minor})
    draft.record("refund_pending", refund_id=fact.object_id, payment_id=leg.payment_id, amount_minor=fact.amount_minor)
    if attempt := attempt_of(draft, fact, Operation.REFUND):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def refunded(draft: Draft, fact: Fact) -> None:
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in (*leg.refunds, *leg.failed_refunds):
        return
    know_object(draft, fact)
    if fact.object_id not in leg.pending_refunds:
        granted(draft, fact)
    pending = {refund_id: minor for refund_id, minor in leg.pending_refunds.items() if refund_id != fact.object_id}
    draft.update_leg(leg, refunds={**leg.refunds, fact.object_id: fact.amount_minor}, pending_refunds=pending)
    draft.record(
        "refunded",
        refund_id=fact.object_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(fact.amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.STRIPE_BALANCE),
    )
    if attempt := attempt_of(draft, fact, Operation.REFUND):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def refund_failed(draft: Draft, fact: Fact) -> None:
    """A failed refund reopens the obligation; if it had succeeded, the money is back in the balance.

    If the payment is disputed, the bank decides first; a refund by us as well would pay the customer twice. Otherwise
    a person must return the money.
    """
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in leg.failed_refunds:
        return
    if attempt := attempt_of(draft, fact, Operation.REFUND):
        draft.end_attempt(attempt, AttemptState.FAILED, fact.failure)
    came_back = leg.refunds.get(fact.object_id, 0)
    draft.update_leg(
        leg,
        refunds={refund_id: minor for refund_id, minor in leg.refunds.items() if refund_id != fact.object_id},
        pending_refunds={
            refund_id: minor for refund_id, minor in leg.pending_refunds.items() if refund_id != fact.object_id
        },
        failed_refunds=(*leg.failed_refunds, fact.object_id),
    )
    code = fact.failure.code if fact.failure else "unknown"
    draft.record(
        "refund_failed",
        refund_id=fact.object_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        code=code,
        postings=transfer(came_back, debit=Account.STRIPE_BALANCE, credit=Account.CUSTOMER_RECEIVABLE),
    )
    leg = draft.tab.leg(leg.payment_id) or leg
    if code not in BANK_DECIDES:
        draft.update_leg(leg, refund_failure=code)
    elif not leg.is_disputed:
        wait_for_bank(draft, leg, fact.amount_minor)


def _refunded_leg(draft: Draft, fact: Fact) -> Leg | None:
    """The refunded payment. An unknown one is flagged for a person."""
    leg = draft.tab.leg(fact.payment_id or "")
    if leg is None:
        stray = f"Refund {fact.object_id} is of payment {fact.payment_id}, which this tab knows nothing of."
        draft.flag(FlagKind.STRAY, fact.object_id, stray)
    return leg


APPLY = {
    FactKind.REFUND_PENDING: refund_pending,
    FactKind.REFUNDED: refunded,
    FactKind.REFUND_FAILED: refund_failed,
}
