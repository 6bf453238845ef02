"""Applies facts to a tab; nothing else does. Each kind has its function, each fact is applied once (money rule 3).

Refunds, disputes and warnings are rarer than payments: what they do is imported when the first one comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.facts.card import card_refused, card_removed, card_saved, card_updated, customer_gone
from chalicelib.domain.tab.facts.fact import DISPUTE_STATES, REPEATABLE, Fact, FactKind
from chalicelib.domain.tab.facts.payment import (
    awaiting_customer,
    charged,
    declined,
    hold_captured,
    hold_placed,
    payment_gone,
    processing,
)
from chalicelib.domain.tab.flag import FlagKind

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

_NOT_ON_RECORD = (
    REPEATABLE
    | DISPUTE_STATES
    | {FactKind.DECLINED, FactKind.PAYMENT_CANCELED, FactKind.PAYMENT_EXPIRED, FactKind.CARD_REFUSED}
    | {FactKind.EVIDENCE_STAGED, FactKind.EVIDENCE_SUBMITTED}
)
"""Facts that move no money are not recorded as applied: the same fact may be needed again to end an unknown outcome,
and a dispute that was appealed can be lost a second time."""


def apply_fact(draft: Draft, fact: Fact) -> None:
    """Apply the fact, in every status; a repetition changes nothing.

    It is never refused and raises nothing: a fact that contradicts our books is flagged for a person.
    """
    if fact.currency not in (None, draft.tab.currency):
        _flag_currency(draft, fact)
        return
    key = None if fact.kind in _NOT_ON_RECORD else fact.key
    if key in draft.known_facts:
        return
    before = draft.tab
    _APPLY[fact.kind](draft, fact)
    if draft.tab == before:
        return
    if key:
        draft.fact_keys.append(key)
    settlement.replan(draft)


def _flag_currency(draft: Draft, fact: Fact) -> None:
    """Flag a payment in another currency, which pays nothing on this tab whatever its metadata says (money rule 1)."""
    reason = (
        f"{fact.kind.replace('_', ' ').capitalize()}: {fact.object_id} is in {fact.currency}, "
        f"this tab in {draft.tab.currency}. It was not booked."
    )
    draft.flag(FlagKind.OTHER_CURRENCY, fact.object_id, reason)


def _processing_fee(draft: Draft, fact: Fact) -> None:
    """Post a fee of the gateway, which only the business sees. Negative: the gateway returned some."""
    if draft.tab.leg(fact.payment_id or "") is None or fact.key in draft.fact_keys:
        return
    draft.record(
        "processing_fee",
        movement_id=fact.object_id,
        payment_id=fact.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(fact.amount_minor, debit=Account.STRIPE_FEES, credit=Account.STRIPE_BALANCE),
    )


def _of_refund(draft: Draft, fact: Fact) -> None:
    from chalicelib.domain.tab.facts import refund

    refund.APPLY[fact.kind](draft, fact)


def _of_dispute(draft: Draft, fact: Fact) -> None:
    from chalicelib.domain.tab.facts import dispute

    dispute.APPLY[fact.kind](draft, fact)


def _of_evidence(draft: Draft, fact: Fact) -> None:
    from chalicelib.domain.tab.facts import evidence

    evidence.APPLY[fact.kind](draft, fact)


def _of_fraud_warning(draft: Draft, fact: Fact) -> None:
    from chalicelib.domain.tab.facts.fraud_warning import fraud_warned

    fraud_warned(draft, fact)


_APPLY = {
    FactKind.HOLD_PLACED: hold_placed,
    FactKind.HOLD_CAPTURED: hold_captured,
    FactKind.CHARGED: charged,
    FactKind.AWAITING_CUSTOMER: awaiting_customer,
    FactKind.PROCESSING: processing,
    FactKind.DECLINED: declined,
    FactKind.PAYMENT_CANCELED: payment_gone,
    FactKind.PAYMENT_EXPIRED: payment_gone,
    FactKind.CARD_SAVED: card_saved,
    FactKind.REFUND_PENDING: _of_refund,
    FactKind.REFUNDED: _of_refund,
    FactKind.REFUND_FAILED: _of_refund,
    **dict.fromkeys(DISPUTE_STATES, _of_dispute),
    FactKind.DISPUTE_WITHDRAWN: _of_dispute,
    FactKind.DISPUTE_REINSTATED: _of_dispute,
    FactKind.EVIDENCE_STAGED: _of_evidence,
    FactKind.EVIDENCE_SUBMITTED: _of_evidence,
    FactKind.FRAUD_WARNED: _of_fraud_warning,
    FactKind.CUSTOMER_GONE: customer_gone,
    FactKind.CARD_REMOVED: card_removed,
    FactKind.CARD_UPDATED: card_updated,
    FactKind.CARD_REFUSED: card_refused,
    FactKind.PROCESSING_FEE: _processing_fee,
}
