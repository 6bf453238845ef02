"""Payments as legs of a tab: money that came in, and cash or a bank's money that went back."""

from __future__ import annotations

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.payments import (
    Leg,
    LegKind,
)
from chalicelib.domain.tab.status import Status


def take_cash(draft: Draft, cash_id: str, amount_minor: int) -> None:
    """Cash is a fact of its own: nobody else will tell us of it."""
    leg = Leg(payment_id=cash_id, kind=LegKind.CASH, amount_minor=amount_minor, taken_at=draft.now)
    _add_leg(draft, leg, "cash_taken", Account.CASH)
    settlement.replan(draft)


def return_cash(draft: Draft, leg: Leg, amount_minor: int) -> None:
    """Cash goes back in cash, over the counter, when the business says so: it is recorded with that."""
    draft.update_leg(leg, refunds={**leg.refunds, draft.new_id("csh"): amount_minor})
    draft.record(
        "cash_returned",
        payment_id=leg.payment_id,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.CASH),
    )


def returned_by_bank(draft: Draft, leg: Leg, amount_minor: int) -> None:
    """Of a lost dispute's money, what was owed back anyway: the customer has it, so it is no loss of ours."""
    assert leg.dispute is not None, "a lost payment has its dispute"
    draft.update_leg(leg, refunds={**leg.refunds, draft.new_id("dsp"): amount_minor})
    draft.record(
        "returned_by_bank",
        dispute_id=leg.dispute.dispute_id,
        payment_id=leg.payment_id,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.BAD_DEBT),
    )


def take(draft: Draft, fact: Fact, kind: LegKind) -> None:
    leg = Leg(
        payment_id=fact.object_id,
        kind=kind,
        amount_minor=fact.amount_minor,
        taken_at=fact.at,
        attempt_id=fact.attempt_id,
    )
    _add_leg(draft, leg, "captured" if kind == LegKind.CAPTURE else "charged", Account.STRIPE_BALANCE)


def _add_leg(draft: Draft, leg: Leg, entry: str, account: Account) -> None:
    """Money has come in: a leg, its posting, and what it recovers of a write-off."""
    draft.update(legs=(*draft.tab.legs, leg))
    draft.record(
        entry,
        payment_id=leg.payment_id,
        amount_minor=leg.amount_minor,
        postings=transfer(leg.amount_minor, debit=account, credit=Account.CUSTOMER_RECEIVABLE),
    )
    if recovered := min(draft.tab.written_off_minor, leg.amount_minor):
        draft.update(written_off_minor=draft.tab.written_off_minor - recovered)
        draft.record(
            "recovered",
            amount_minor=recovered,
            postings=transfer(recovered, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.RECOVERY),
        )
    if draft.tab.status == Status.CLOSED and not draft.tab.refund_owed_minor:
        # A tip after the payment, or what had been given up: paid more, it is another receipt.
        draft.update(receipt_owed=True)
