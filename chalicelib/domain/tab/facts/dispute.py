"""Facts about disputes: their state, and the money that the bank has withdrawn and reinstated.

Events arrive in any order, so each is compared with the dispute's current state: states only go forward, and amounts
are cumulative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import followup
from chalicelib.domain.tab.facts.attempt_outcomes import know_object
from chalicelib.domain.tab.facts.fact import DISPUTE_STATES, Fact, FactKind
from chalicelib.domain.tab.facts.legs import count_as_returned
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.payments import Dispute, DisputeState, Leg

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

DISPUTE_STATE: Mapping[FactKind, DisputeState] = {
    FactKind.INQUIRY_OPENED: DisputeState.INQUIRY,
    FactKind.INQUIRY_CLOSED: DisputeState.INQUIRY_CLOSED,
    FactKind.DISPUTE_OPENED: DisputeState.OPEN,
    FactKind.DISPUTE_APPEALED: DisputeState.OPEN,
    FactKind.DISPUTE_WON: DisputeState.WON,
    FactKind.DISPUTE_LOST: DisputeState.LOST,
    FactKind.DISPUTE_PREVENTED: DisputeState.PREVENTED,
}
_STAGE: Mapping[DisputeState, int] = {
    DisputeState.INQUIRY: 0,
    DisputeState.INQUIRY_CLOSED: 1,
    DisputeState.OPEN: 2,
    DisputeState.WON: 3,
    DisputeState.LOST: 3,
    DisputeState.PREVENTED: 3,
}
_DECIDED = 3
_AFTER_OPENING = frozenset({FactKind.DISPUTE_APPEALED, FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST})
_ENDED = frozenset({DisputeState.INQUIRY_CLOSED, DisputeState.WON, DisputeState.LOST, DisputeState.PREVENTED})


def is_forward(before: DisputeState, after: DisputeState) -> bool:
    """Whether a dispute may go from one state to the other without an appeal."""
    return _STAGE[after] > _STAGE[before]


def dispute_came_to(draft: Draft, fact: Fact) -> None:
    """A bank inquires, disputes, decides, or reopens a decision. States only go forward; late facts change nothing."""
    leg = _leg_of(draft, fact)
    if leg is None:
        return
    if leg.dispute(fact.object_id) is None and fact.kind in _AFTER_OPENING:
        # The opening was lost, or arrives late.
        dispute_came_to(draft, replace(fact, kind=FactKind.DISPUTE_OPENED))
        leg = draft.tab.leg(leg.payment_id) or leg
    state, existing = DISPUTE_STATE[fact.kind], leg.dispute(fact.object_id)
    dispute = existing or Dispute(dispute_id=fact.object_id, amount_minor=fact.amount_minor, opened_at=fact.at)
    appealed = fact.kind == FactKind.DISPUTE_APPEALED
    if appealed:
        goes_on = dispute.appealed_at is None or fact.at > dispute.appealed_at
    elif dispute.appealed_at is not None:
        # The decision before the appeal may arrive after the appeal.
        goes_on = dispute.state == DisputeState.OPEN and _STAGE[state] == _DECIDED and fact.at > dispute.appealed_at
    else:
        goes_on = existing is None or is_forward(existing.state, state)
    if not goes_on:
        if existing is not None and state == existing.state:
            now = replace(existing, amount_minor=fact.amount_minor, charge_refundable=fact.refundable)
            draft.update_dispute(leg.payment_id, _asked(now, fact))
        return
    know_object(draft, fact)
    if state == DisputeState.OPEN and dispute.state in (DisputeState.INQUIRY, DisputeState.INQUIRY_CLOSED):
        # The bank asks anew, and what it was told before is no answer to that.
        dispute = replace(
            dispute, asked_at=draft.now, staged_at=None, submitted_at=None, submitted_by=None, reminded=False
        )
    now = replace(
        dispute,
        state=state,
        charge_refundable=fact.refundable,
        appealed_at=fact.at if appealed else dispute.appealed_at,
    )
    _move(draft, leg, _asked(now, fact), fact, was=existing.state if existing else None)


def _asked(dispute: Dispute, fact: Fact) -> Dispute:
    """With what the fact says of the bank's question; a fact that does not say it leaves it as it is known."""
    return replace(
        dispute,
        reason=fact.reason or dispute.reason,
        programs=fact.programs or dispute.programs,
        respond_by=fact.respond_by or dispute.respond_by,
    )


def _move(draft: Draft, leg: Leg, dispute: Dispute, fact: Fact, *, was: DisputeState | None) -> None:
    """Move the dispute to its new state, with postings."""
    draft.update_dispute(leg.payment_id, dispute)
    lost_now, lost_before = dispute.state == DisputeState.LOST, was == DisputeState.LOST
    loss_minor = (lost_now - lost_before) * dispute.outstanding_minor
    draft.record(
        fact.kind.value,
        dispute_id=dispute.dispute_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        reason=fact.reason,
        respond_by=dispute.respond_by if dispute.awaits_answer else None,
        postings=transfer(loss_minor, debit=Account.BAD_DEBT, credit=Account.DISPUTES_RECEIVABLE),
    )
    is_end = dispute.state in _ENDED
    if dispute.state in (DisputeState.OPEN, DisputeState.LOST) and draft.tab.plan is not None:
        # Automatic steps pause until the dispute is decided.
        draft.update(plan=None)
        followup.resume_later(draft)
    leg = draft.tab.leg(leg.payment_id) or leg
    if is_end and leg.refund_again_at is not None:
        # The bank has decided: refunds need not wait any longer, or the customer already has the money.
        draft.update_leg(leg, refund_again_at=None)
    _check_returned(draft, leg.payment_id, dispute)


def dispute_money(draft: Draft, fact: Fact) -> None:
    """Funds withdrawn or reinstated: cumulative amounts, in any order."""
    leg = _leg_of(draft, fact)
    if leg is None:
        return
    existing = leg.dispute(fact.object_id)
    if existing is None or existing.state in (DisputeState.INQUIRY, DisputeState.INQUIRY_CLOSED):
        # An inquiry takes no money, so a movement of money means that there is a dispute.
        dispute_came_to(draft, replace(fact, kind=FactKind.DISPUTE_OPENED))
    leg = draft.tab.leg(leg.payment_id) or leg
    dispute = leg.dispute(fact.object_id)
    assert dispute is not None, "a dispute whose money moves is on record"
    # A dispute that is already lost leaves nothing to receive.
    other = Account.BAD_DEBT if dispute.state == DisputeState.LOST else Account.DISPUTES_RECEIVABLE
    if fact.kind == FactKind.DISPUTE_WITHDRAWN:
        more = fact.amount_minor - dispute.withdrawn_minor
        dispute = replace(dispute, withdrawn_minor=fact.amount_minor)
        postings = transfer(more, debit=other, credit=Account.STRIPE_BALANCE)
    else:
        more = fact.amount_minor - dispute.reinstated_minor
        dispute = replace(dispute, reinstated_minor=fact.amount_minor)
        postings = transfer(more, debit=Account.STRIPE_BALANCE, credit=other)
    if more <= 0:
        return
    draft.update_dispute(leg.payment_id, dispute)
    draft.record(fact.kind.value, dispute_id=fact.object_id, amount_minor=fact.amount_minor, postings=postings)
    _check_returned(draft, leg.payment_id, dispute)


def _check_returned(draft: Draft, payment_id: str, dispute: Dispute) -> None:
    """Reinstated money was not given to the customer: as far as it counted as refunded, it is owed back again."""
    if dispute.returned_minor > dispute.at_bank_minor:
        count_as_returned(draft, payment_id, dispute, dispute.at_bank_minor)


def _leg_of(draft: Draft, fact: Fact) -> Leg | None:
    """The disputed payment. An unknown one is flagged, because it is somebody's money."""
    leg = draft.tab.leg(fact.payment_id or "")
    if leg is None:
        stray = f"Dispute {fact.object_id} of payment {fact.payment_id} is not in our books."
        draft.flag(FlagKind.STRAY, fact.object_id, stray)
    return leg


APPLY = {
    **dict.fromkeys(DISPUTE_STATES, dispute_came_to),
    FactKind.DISPUTE_WITHDRAWN: dispute_money,
    FactKind.DISPUTE_REINSTATED: dispute_money,
}
