"""Payments as legs of a tab: money that came in, and cash or a bank's money that went back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.payments import Dispute, Leg, LegKind
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.facts.fact import Fact


class RefundMeans(StrEnum):
    """How money is returned outside the gateway."""

    CASH = "cash"
    BANK_TRANSFER = "bank_transfer"
    OTHER = "other"


def take_cash(draft: Draft, cash_id: str, amount_minor: int) -> None:
    """Add a cash payment, which no gateway will report."""
    leg = Leg(payment_id=cash_id, kind=LegKind.CASH, amount_minor=amount_minor, taken_at=draft.now)
    _add_leg(draft, leg, "cash_taken", Account.CASH)
    settlement.replan(draft)


def take_credit(draft: Draft, credit_id: str, amount_minor: int) -> None:
    """Add a payment with the customer's credit. Not a receipt of its own: it pays with others."""
    leg = Leg(
        payment_id=credit_id,
        kind=LegKind.CREDIT,
        amount_minor=amount_minor,
        taken_at=draft.now,
        of_minor=draft.tab.bill_due_minor,
    )
    _add_leg(draft, leg, "credit_spent", Account.CUSTOMER_CREDIT)


def return_cash(draft: Draft, amount_minor: int) -> None:
    """Record cash handed back, newest payment first; at most what is owed back in cash."""
    assert amount_minor <= draft.tab.cash_to_return_minor, "more cash was handed over than is owed back"
    for leg in reversed(draft.tab.legs):
        if leg.kind == LegKind.CASH and (part_minor := min(amount_minor, leg.refundable_minor)):
            _return_cash(draft, leg, part_minor)
            amount_minor -= part_minor


def _return_cash(draft: Draft, leg: Leg, amount_minor: int) -> None:
    draft.update_leg(leg, refunds={**leg.refunds, draft.new_id("csh"): amount_minor})
    draft.record(
        "cash_returned",
        payment_id=leg.payment_id,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.CASH),
    )


def returned_by_bank(draft: Draft, leg: Leg, amount_minor: int) -> None:
    """Count the part of lost disputes that was owed back anyway as refunded, because the customer has it."""
    left = amount_minor
    for dispute in leg.disputes:
        if returned := min(left, dispute.lost_minor):
            count_as_returned(draft, leg.payment_id, dispute, dispute.returned_minor + returned)
            left -= returned


def count_as_returned(draft: Draft, payment_id: str, dispute: Dispute, returned_minor: int) -> None:
    """Set how much of what the bank took counts as refunded. If it falls, the difference is owed back again."""
    more = returned_minor - dispute.returned_minor
    draft.update_dispute(payment_id, replace(dispute, returned_minor=returned_minor))
    draft.record(
        "returned_by_bank",
        dispute_id=dispute.dispute_id,
        payment_id=payment_id,
        amount_minor=more,
        postings=transfer(more, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.BAD_DEBT),
    )


def return_elsewhere(draft: Draft, amount_minor: int, how: RefundMeans, reference: str) -> None:
    """Record a refund outside the gateway, newest payment first, like refunds."""
    left = amount_minor
    for leg in reversed(draft.tab.legs):
        part = min(left, leg.refundable_minor) if leg.refund_failure else 0
        if not part:
            continue
        draft.update_leg(leg, elsewhere_minor=leg.elsewhere_minor + part)
        draft.record(
            "refunded_elsewhere",
            payment_id=leg.payment_id,
            amount_minor=part,
            how=how,
            reference=reference,
            postings=transfer(
                part,
                debit=Account.REFUND_PAYABLE,
                credit=Account.CASH if how == RefundMeans.CASH else Account.BANK,
            ),
        )
        left -= part
    assert left == 0, "no more is given back elsewhere than a person has to see to"


def take(draft: Draft, fact: Fact, kind: LegKind, why: str, **details: object) -> None:
    """Add a payment that the gateway reports. `why`: the reason for taking it, a code. `details`: of its entry."""
    hold = draft.tab.hold(fact.object_id)
    found = details.get("fingerprint") or fact.fingerprint or (hold.fingerprint if hold else None)
    leg = Leg(
        payment_id=fact.object_id,
        kind=kind,
        amount_minor=fact.amount_minor,
        taken_at=fact.at,
        attempt_id=fact.attempt_id,
        fingerprint=str(found) if found else None,
    )
    details |= {"why": why}
    _add_leg(draft, leg, "captured" if kind == LegKind.CAPTURE else "charged", Account.STRIPE_BALANCE, **details)


def _add_leg(draft: Draft, leg: Leg, entry: str, account: Account, **details: object) -> None:
    """Money was received: add a leg, its postings, and what it recovers of a write-off."""
    recovered = min(draft.tab.written_off_minor, leg.amount_minor)
    draft.update(legs=(*draft.tab.legs, leg), written_off_minor=draft.tab.written_off_minor - recovered)
    tab = draft.tab
    is_paid = tab.status == Status.CLOSED or (tab.fee is not None and tab.is_finished and not tab.balance_minor)
    # A fee whose tab closes later, a later tip, or a recovery of a write-off has another receipt.
    has_receipt = is_paid and not tab.refund_owed_minor
    draft.record_receipt(
        entry,
        tab.receipt_minor if has_receipt else 0,
        payment_id=leg.payment_id,
        amount_minor=leg.amount_minor,
        **details,
        postings=transfer(leg.amount_minor, debit=account, credit=Account.CUSTOMER_RECEIVABLE),
    )
    if recovered:
        draft.record(
            "recovered",
            amount_minor=recovered,
            postings=transfer(recovered, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.RECOVERY),
        )
