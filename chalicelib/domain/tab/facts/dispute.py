"""Facts about disputes."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.tab import followup
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.attempt_outcomes import flag, know_object
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import (
    Dispute,
    DisputeState,
    Leg,
)


def dispute_opened(draft: Draft, fact: Fact) -> None:
    """The bank questions a payment: whatever is under way by itself rests until it is decided."""
    leg = draft.tab.leg(fact.payment_id or "")
    if leg is None or (leg.dispute is not None and leg.dispute.dispute_id != fact.object_id):
        # Of a payment we know nothing of, or a second one of the same payment: somebody's money, and not to be dropped.
        stray = f"Dispute {fact.object_id} of payment {fact.payment_id} is not in our books."
        if draft.tab.flagged != stray:
            flag(draft, stray)
        return
    if leg.dispute is not None:
        return
    know_object(draft, fact)
    dispute = Dispute(dispute_id=fact.object_id, amount_minor=fact.amount_minor, opened_at=fact.at)
    draft.update_leg(leg, dispute=dispute)
    if draft.tab.plan is not None:
        draft.update(plan=None)
        followup.resume_later(draft)
    draft.record("dispute_opened", dispute_id=fact.object_id, payment_id=leg.payment_id, amount_minor=fact.amount_minor)
    draft.notify(MessageKind.DISPUTED, Recipient.OWNER, fact.amount_minor)


def dispute_money(draft: Draft, fact: Fact) -> None:
    """Funds withdrawn or reinstated, once each, in whichever order the news comes."""
    dispute_opened(draft, fact)
    leg = _disputed_leg(draft, fact)
    if leg is None:
        return
    dispute = leg.dispute
    assert dispute is not None, "a disputed leg has its dispute"
    if fact.kind == FactKind.DISPUTE_WITHDRAWN:
        if dispute.withdrawn_minor or dispute.reinstated:
            return
        # Of a dispute that is lost already there is nothing to receive.
        debit = Account.BAD_DEBT if dispute.state == DisputeState.LOST else Account.DISPUTES_RECEIVABLE
        dispute = replace(dispute, withdrawn_minor=fact.amount_minor)
        postings = transfer(fact.amount_minor, debit=debit, credit=Account.STRIPE_BALANCE)
    else:
        if dispute.reinstated:
            return
        credit = Account.BAD_DEBT if dispute.state == DisputeState.LOST else Account.DISPUTES_RECEIVABLE
        postings = transfer(dispute.withdrawn_minor, debit=Account.STRIPE_BALANCE, credit=credit)
        dispute = replace(dispute, withdrawn_minor=0, reinstated=True)
    draft.update_leg(leg, dispute=dispute)
    draft.record(fact.kind.value, dispute_id=fact.object_id, amount_minor=fact.amount_minor, postings=postings)


def dispute_closed(draft: Draft, fact: Fact) -> None:
    dispute_opened(draft, fact)
    leg = _disputed_leg(draft, fact)
    if leg is None or leg.dispute is None or leg.dispute.state != DisputeState.OPEN:
        return
    lost = fact.kind == FactKind.DISPUTE_LOST
    draft.update_leg(leg, dispute=replace(leg.dispute, state=DisputeState.LOST if lost else DisputeState.WON))
    lost_minor = leg.dispute.withdrawn_minor if lost else 0
    draft.record(
        fact.kind.value,
        dispute_id=fact.object_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(lost_minor, debit=Account.BAD_DEBT, credit=Account.DISPUTES_RECEIVABLE),
    )
    draft.notify(MessageKind.DISPUTE_CLOSED, Recipient.OWNER, fact.amount_minor, "lost" if lost else "won")


def _disputed_leg(draft: Draft, fact: Fact) -> Leg | None:
    """The payment that this very dispute is about."""
    leg = draft.tab.leg(fact.payment_id or "")
    return leg if leg and leg.dispute and leg.dispute.dispute_id == fact.object_id else None
