"""Facts: what the gateway says has happened, whoever brings it, and the one pure way into a tab (money rule 3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.tab import deposit, followup, settlement
from chalicelib.domain.tab.adjust import lower_paid
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.tab import (
    LEASE,
    Attempt,
    AttemptState,
    Card,
    DepositState,
    Dispute,
    DisputeState,
    Failure,
    Hold,
    HoldState,
    Leg,
    LegKind,
    Operation,
    PlanReason,
    Status,
)


class FactKind(StrEnum):
    HOLD_PLACED = "hold_placed"
    HOLD_CAPTURED = "hold_captured"
    CHARGED = "charged"
    AWAITING_CUSTOMER = "awaiting_customer"
    PROCESSING = "processing"
    DECLINED = "declined"
    PAYMENT_CANCELED = "payment_canceled"
    PAYMENT_EXPIRED = "payment_expired"
    CARD_SAVED = "card_saved"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_REINSTATED = "dispute_reinstated"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    CARD_REMOVED = "card_removed"
    CARD_UPDATED = "card_updated"
    PROCESSING_FEE = "processing_fee"


_REPEATABLE = frozenset({FactKind.AWAITING_CUSTOMER, FactKind.PROCESSING})
_NOT_ON_RECORD = _REPEATABLE | {FactKind.DECLINED, FactKind.PAYMENT_CANCELED, FactKind.PAYMENT_EXPIRED}
"""What moves no money is judged by the tab as it is: the same news may be needed again to end an unknown outcome."""


class Fact(Struct, frozen=True, kw_only=True):
    """Something that has happened at the gateway.

    `object_id`: the payment, setup, refund, dispute, card or movement of the gateway's balance it is about;
    `amount_minor`: cumulative for that object. `attempt_id`: the attempt that made the object, from its metadata.
    `payment_id`: what is refunded, disputed or charged a fee for.
    `occurrence` tells repeated declines of one payment apart. `capture_before` and `card` come with HOLD_PLACED,
    `card` also with CARD_SAVED, `client_secret` with AWAITING_CUSTOMER, `failure` with DECLINED and REFUND_FAILED.
    """

    kind: FactKind
    object_id: str
    at: datetime
    amount_minor: int = 0
    attempt_id: str | None = None
    payment_id: str | None = None
    occurrence: str = ""
    capture_before: datetime | None = None
    card: Card | None = None
    client_secret: str | None = None
    failure: Failure | None = None

    @property
    def key(self) -> str | None:
        """What makes it the same fact again; None for news that may come more than once and moves no money."""
        if self.kind in _REPEATABLE:
            return None
        return f"{self.object_id}:{self.kind}:{self.amount_minor}" + (f":{self.occurrence}" if self.occurrence else "")


def apply_fact(draft: Draft, fact: Fact) -> None:
    """Bring the fact into the tab: in every status, never refused, changing nothing the second time.

    Raises nothing: what can't be true of our books is flagged for a person instead.
    """
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


SCA_LEASE = timedelta(hours=24)
"""How long a customer has to answer a bank's question about a charge made without them."""

LADDER = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 10, 30, 60))
"""When an unknown outcome is asked for again (money rule 4)."""
AFTER_LADDER = timedelta(hours=6)
DELIVERIES_END = timedelta(days=3)
DAILY = timedelta(days=1)
"""After the ladder a person is told. We still ask: six-hourly while the gateway's own deliveries go on, then daily."""


def note_unknown(draft: Draft, attempt: Attempt) -> None:
    """The call's outcome is not known: ask again by the ladder, tell a person at its end."""
    checks = attempt.checks + 1
    if checks <= len(LADDER):
        check_at = draft.now + LADDER[checks - 1]
    else:
        if draft.tab.flagged is None:
            _flag(draft, f"The outcome of attempt {attempt.attempt_id} ({attempt.operation}) is still not known.")
        is_young = draft.now - attempt.created_at < DELIVERIES_END
        check_at = draft.now + (AFTER_LADDER if is_young else DAILY)
    draft.update_attempt(attempt, state=AttemptState.UNKNOWN, checks=checks, check_at=check_at)
    if attempt.state != AttemptState.UNKNOWN:
        draft.record("outcome_unknown", attempt_id=attempt.attempt_id, operation=attempt.operation)


def note_rejected(draft: Draft, attempt: Attempt, failure: Failure) -> None:
    """The gateway refused the call itself: nothing moved, and a person must look.

    What would have made a new payment has failed. What works on an existing one is asked for again by the ladder: the
    payment is no longer what we took it for, and only looking at it says what it is.
    """
    _flag(draft, f"The gateway refused attempt {attempt.attempt_id} ({attempt.operation}): {failure.code}.")
    leg = draft.tab.leg(attempt.payment_id) if attempt.operation == Operation.REFUND and attempt.payment_id else None
    if leg is not None:
        draft.update_leg(leg, failed_refunds=(*leg.failed_refunds, attempt.attempt_id))
    if attempt.operation in (Operation.CHARGE, Operation.PLACE_HOLD):
        note_failed(draft, attempt, failure)
        settlement.replan(draft)
    else:
        note_unknown(draft, attempt)


def note_absent(draft: Draft, attempt: Attempt) -> None:
    """The gateway has no trace of the attempt's effect and it won't be made again: given up."""
    draft.end_attempt(attempt, AttemptState.ABANDONED)
    if attempt.checks >= len(LADDER):
        _flag(draft, f"Attempt {attempt.attempt_id} ({attempt.operation}) was made {attempt.checks} times in vain.")
    if attempt.operation == Operation.PLACE_HOLD and attempt.is_on_session:
        # The customer was never asked: the deposit waits for them as before.
        deposit.placement_closed(draft)
    elif attempt.operation == Operation.PLACE_HOLD:
        deposit.placement_failed(draft, None)
    settlement.replan(draft)


def _flag(draft: Draft, reason: str) -> None:
    """A person must look."""
    draft.update(flagged=reason)
    draft.record("flagged", reason=reason)


def note_failed(draft: Draft, attempt: Attempt, failure: Failure | None) -> None:
    """An attempt failed for good: what it leaves behind depends on what it was for."""
    draft.end_attempt(attempt, AttemptState.FAILED, failure)
    if attempt.operation == Operation.PLACE_HOLD:
        deposit.placement_failed(draft, failure)
    if attempt.operation == Operation.CHARGE and not attempt.is_on_session:
        settlement.card_failed(draft)
        followup.charge_failed(draft, attempt.amount_minor, failure)


# One function a kind


def _hold_placed(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    if draft.tab.hold(fact.object_id) is not None:
        return
    assert fact.capture_before is not None, "a placed hold says until when"
    hold = Hold(
        payment_id=fact.object_id,
        attempt_id=fact.attempt_id,
        amount_minor=fact.amount_minor,
        placed_at=fact.at,
        capture_before=fact.capture_before,
    )
    draft.update(holds=(*draft.tab.holds, hold), deposit=replace(draft.tab.deposit, state=DepositState.HELD))
    draft.record(
        "hold_placed",
        payment_id=hold.payment_id,
        amount_minor=hold.amount_minor,
        capture_before=hold.capture_before.isoformat(),
    )
    _keep_card(draft, fact)
    if attempt := _attempt_of(draft, fact, Operation.PLACE_HOLD):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


_ALREADY_CAPTURED = Failure(code="already_captured")


def _hold_captured(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    hold = draft.tab.hold(fact.object_id)
    if hold is None:
        # Captured before we heard that it was placed.
        hold = Hold(
            payment_id=fact.object_id,
            attempt_id=fact.attempt_id,
            amount_minor=fact.amount_minor,
            placed_at=fact.at,
            capture_before=fact.at,
        )
        draft.update(holds=(*draft.tab.holds, hold))
        if attempt := _attempt_of(draft, fact, Operation.PLACE_HOLD):
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
    if hold.captured_minor >= fact.amount_minor:
        return
    draft.update_hold(hold, state=HoldState.CAPTURED, captured_minor=fact.amount_minor)
    draft.update(deposit=replace(draft.tab.deposit, state=DepositState.CAPTURED))
    _take(draft, fact, LegKind.CAPTURE)
    if attempt := _open_attempt_on(draft, fact.object_id, Operation.CAPTURE):
        if attempt.amount_minor == fact.amount_minor:
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
        else:
            # Somebody was there before us, and a hold is captured once.
            draft.end_attempt(attempt, AttemptState.FAILED, _ALREADY_CAPTURED)
    if attempt := _open_attempt_on(draft, fact.object_id, Operation.RELEASE):
        draft.end_attempt(attempt, AttemptState.FAILED, _ALREADY_CAPTURED)


def _charged(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    if draft.tab.leg(fact.object_id) is not None:
        return
    attempt = _attempt_of(draft, fact, Operation.CHARGE)
    if attempt and attempt.tip_minor:
        draft.update(tip_minor=draft.tab.tip_minor + attempt.tip_minor)
        draft.record(
            "tip_given",
            tip_minor=attempt.tip_minor,
            postings=transfer(attempt.tip_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.TIPS),
        )
    _take(draft, fact, LegKind.CHARGE)
    _keep_card(draft, fact)
    if attempt:
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)
    if attempt is None or not attempt.is_on_session:
        return
    if draft.tab.status == Status.IN_REVIEW:
        # Paying the bill is accepting it. A late effect of an attempt that was given up is no word of the customer's.
        draft.move_to(Status.DUE, "accept_bill")
        draft.update(due_at=draft.now, review_ends_at=None)
        settlement.start(draft, PlanReason.ACCEPTED)
    elif (
        draft.tab.status not in (Status.CONTESTED, Status.CLOSED) and draft.tab.plan is None and draft.tab.balance_minor
    ):
        # The customer paid their part on the phone: the rest of the plan they saw is the hold's. Who has contested the
        # bill meanwhile has taken that back.
        settlement.start(draft, PlanReason.ACCEPTED)


def _awaiting_customer(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    attempt = _attempt_of(draft, fact, Operation.CHARGE) or _attempt_of(draft, fact, Operation.PLACE_HOLD)
    if attempt is None:
        return
    if attempt.state != AttemptState.AWAITING_CUSTOMER:
        _await_customer(draft, fact, attempt)
    elif attempt.client_secret is None and fact.client_secret is not None:
        # A decline was heard before the answer that brings what the phone needs.
        draft.update_attempt(attempt, client_secret=fact.client_secret)


def _await_customer(draft: Draft, fact: Fact, attempt: Attempt) -> None:
    if attempt.operation == Operation.PLACE_HOLD:
        until = deposit.answer_until(draft.tab, draft.now, attempt)
        deposit.asked_of_customer(draft)
    else:
        until = draft.now + (LEASE if attempt.is_on_session else SCA_LEASE)
    if not attempt.is_on_session:
        draft.notify(MessageKind.CONFIRMATION_NEEDED, Recipient.CUSTOMER, attempt.amount_minor)
    draft.update_attempt(
        attempt,
        state=AttemptState.AWAITING_CUSTOMER,
        payment_id=fact.object_id,
        client_secret=fact.client_secret or attempt.client_secret,
        check_at=until,
        failure=fact.failure,
    )
    draft.record(
        "awaiting_customer",
        attempt_id=attempt.attempt_id,
        payment_id=fact.object_id,
        until=until.isoformat(),
    )


def _processing(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    attempt = _attempt_of(draft, fact, Operation.CHARGE)
    if attempt is not None:
        draft.update_attempt(attempt, payment_id=fact.object_id)
        note_unknown(draft, replace(attempt, payment_id=fact.object_id))


def _declined(draft: Draft, fact: Fact) -> None:
    _know_object(draft, fact)
    attempt = _attempt_of(draft, fact, Operation.CHARGE) or _attempt_of(draft, fact, Operation.PLACE_HOLD)
    if attempt is None:
        return
    if not attempt.is_on_session and attempt.state != AttemptState.AWAITING_CUSTOMER:
        note_failed(draft, attempt, fact.failure)
        return
    # On the phone the customer may take another card: the payment stays theirs to finish until the lease ends.
    if attempt.state != AttemptState.AWAITING_CUSTOMER:
        _await_customer(draft, fact, attempt)
    elif fact.failure != attempt.failure:
        draft.update_attempt(attempt, failure=fact.failure)
        draft.record(
            "payment_declined",
            attempt_id=attempt.attempt_id,
            code=fact.failure.code if fact.failure else "declined",
        )


def _payment_gone(draft: Draft, fact: Fact) -> None:
    """Canceled or expired: a hold that is over, or a payment that will not be made."""
    expired = fact.kind == FactKind.PAYMENT_EXPIRED
    hold = draft.tab.hold(fact.object_id)
    if hold is not None and hold.state == HoldState.LIVE:
        draft.update_hold(hold, state=HoldState.EXPIRED if expired else HoldState.RELEASED)
        if draft.tab.live_hold is None:
            state = DepositState.EXPIRED if expired else DepositState.RELEASED
            draft.update(deposit=replace(draft.tab.deposit, state=state))
        draft.record(
            "hold_expired" if expired else "hold_released", payment_id=hold.payment_id, amount_minor=hold.amount_minor
        )
        if attempt := _open_attempt_on(draft, fact.object_id, Operation.RELEASE):
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
        if attempt := _open_attempt_on(draft, fact.object_id, Operation.CAPTURE):
            draft.end_attempt(attempt, AttemptState.FAILED, Failure(code="hold_expired" if expired else "hold_gone"))
        return
    attempt = _attempt_of(draft, fact, Operation.CHARGE) or _attempt_of(draft, fact, Operation.PLACE_HOLD)
    if hold is None and attempt is not None:
        draft.end_attempt(attempt, AttemptState.CLOSED)
        if attempt.operation == Operation.PLACE_HOLD:
            deposit.placement_closed(draft)
        elif not attempt.is_on_session:
            # The bank's question was not answered in time: the card won't be charged again without the customer.
            settlement.card_failed(draft)


def _card_saved(draft: Draft, fact: Fact) -> None:
    if fact.card is None or (draft.tab.card is not None and draft.tab.card.card_id == fact.card.card_id):
        return
    _keep_card(draft, fact)
    deposit.card_saved(draft)


def _refund_pending(draft: Draft, fact: Fact) -> None:
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in (*leg.refunds, *leg.pending_refunds, *leg.failed_refunds):
        return
    _know_object(draft, fact)
    _granted(draft, fact)
    draft.update_leg(leg, pending_refunds={**leg.pending_refunds, fact.object_id: fact.amount_minor})
    draft.record("refund_pending", refund_id=fact.object_id, payment_id=leg.payment_id, amount_minor=fact.amount_minor)
    if attempt := _attempt_of(draft, fact, Operation.REFUND):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def _refunded(draft: Draft, fact: Fact) -> None:
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in (*leg.refunds, *leg.failed_refunds):
        return
    _know_object(draft, fact)
    if fact.object_id not in leg.pending_refunds:
        _granted(draft, fact)
    pending = {refund_id: minor for refund_id, minor in leg.pending_refunds.items() if refund_id != fact.object_id}
    draft.update_leg(leg, refunds={**leg.refunds, fact.object_id: fact.amount_minor}, pending_refunds=pending)
    draft.record(
        "refunded",
        refund_id=fact.object_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(fact.amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.STRIPE_BALANCE),
    )
    if attempt := _attempt_of(draft, fact, Operation.REFUND):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def _granted(draft: Draft, fact: Fact) -> None:
    """What is given back without being owed back is the business's word, past us: what is due falls by as much.

    Else the customer would owe again, and be reminded of and charged with, what they were just given.
    """
    unasked_minor = min(fact.amount_minor - draft.tab.refund_owed_minor, draft.tab.amount_due_minor)
    if unasked_minor > 0:
        lower_paid(draft, unasked_minor, "given back at the payment provider")
        draft.notify(MessageKind.REFUND, Recipient.CUSTOMER, unasked_minor)


def _refund_failed(draft: Draft, fact: Fact) -> None:
    """A failed refund reopens the obligation; one that had gone through comes back into the balance."""
    leg = _refunded_leg(draft, fact)
    if leg is None or fact.object_id in leg.failed_refunds:
        return
    if attempt := _attempt_of(draft, fact, Operation.REFUND):
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
    _flag(draft, f"Refund {fact.object_id} failed: the money must go back another way.")
    draft.notify(MessageKind.REFUND_FAILED, Recipient.OWNER, fact.amount_minor)
    draft.record(
        "refund_failed",
        refund_id=fact.object_id,
        payment_id=leg.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(came_back, debit=Account.STRIPE_BALANCE, credit=Account.CUSTOMER_RECEIVABLE),
    )


def _dispute_opened(draft: Draft, fact: Fact) -> None:
    """The bank questions a payment: whatever is under way by itself rests until it is decided."""
    leg = draft.tab.leg(fact.payment_id or "")
    if leg is None or (leg.dispute is not None and leg.dispute.dispute_id != fact.object_id):
        # Of a payment we know nothing of, or a second one of the same payment: somebody's money, and not to be dropped.
        stray = f"Dispute {fact.object_id} of payment {fact.payment_id} is not in our books."
        if draft.tab.flagged != stray:
            _flag(draft, stray)
        return
    if leg.dispute is not None:
        return
    _know_object(draft, fact)
    dispute = Dispute(dispute_id=fact.object_id, amount_minor=fact.amount_minor, opened_at=fact.at)
    draft.update_leg(leg, dispute=dispute)
    if draft.tab.plan is not None:
        draft.update(plan=None)
        followup.resume_later(draft)
    draft.record("dispute_opened", dispute_id=fact.object_id, payment_id=leg.payment_id, amount_minor=fact.amount_minor)
    draft.notify(MessageKind.DISPUTED, Recipient.OWNER, fact.amount_minor)


def _dispute_money(draft: Draft, fact: Fact) -> None:
    """Funds withdrawn or reinstated, once each, in whichever order the news comes."""
    _dispute_opened(draft, fact)
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


def _dispute_closed(draft: Draft, fact: Fact) -> None:
    _dispute_opened(draft, fact)
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


def _card_removed(draft: Draft, fact: Fact) -> None:
    """The saved card is gone: what it was to secure or to pay is without it, and both sides hear of that."""
    tab = draft.tab
    if tab.card is None or tab.card.card_id != fact.object_id:
        return
    draft.update(card=None, followup=replace(tab.followup, next_try_at=None))
    draft.record("card_removed", card_id=fact.object_id)
    draft.notify(MessageKind.CARD_REMOVED, Recipient.CUSTOMER, detail="Save another, or pay on your phone.")
    deposit.card_removed(draft)


def _card_updated(draft: Draft, fact: Fact) -> None:
    """The bank has replaced the card, under the same id: only what a person recognises it by has changed."""
    tab = draft.tab
    if tab.card is None or fact.card is None or tab.card.card_id != fact.card.card_id:
        return
    if (tab.card.brand, tab.card.last4) != (fact.card.brand, fact.card.last4):
        draft.update(card=replace(tab.card, brand=fact.card.brand, last4=fact.card.last4))
        draft.record("card_updated", card_id=fact.card.card_id, brand=fact.card.brand, last4=fact.card.last4)


def _processing_fee(draft: Draft, fact: Fact) -> None:
    """What the gateway has kept for itself; it concerns the business alone. Negative: it gave some back."""
    if draft.tab.leg(fact.payment_id or "") is None or fact.key in draft.fact_keys:
        return
    draft.record(
        "processing_fee",
        movement_id=fact.object_id,
        payment_id=fact.payment_id,
        amount_minor=fact.amount_minor,
        postings=transfer(fact.amount_minor, debit=Account.STRIPE_FEES, credit=Account.STRIPE_BALANCE),
    )


_APPLY = {
    FactKind.HOLD_PLACED: _hold_placed,
    FactKind.HOLD_CAPTURED: _hold_captured,
    FactKind.CHARGED: _charged,
    FactKind.AWAITING_CUSTOMER: _awaiting_customer,
    FactKind.PROCESSING: _processing,
    FactKind.DECLINED: _declined,
    FactKind.PAYMENT_CANCELED: _payment_gone,
    FactKind.PAYMENT_EXPIRED: _payment_gone,
    FactKind.CARD_SAVED: _card_saved,
    FactKind.REFUND_PENDING: _refund_pending,
    FactKind.REFUNDED: _refunded,
    FactKind.REFUND_FAILED: _refund_failed,
    FactKind.DISPUTE_OPENED: _dispute_opened,
    FactKind.DISPUTE_WITHDRAWN: _dispute_money,
    FactKind.DISPUTE_REINSTATED: _dispute_money,
    FactKind.DISPUTE_WON: _dispute_closed,
    FactKind.DISPUTE_LOST: _dispute_closed,
    FactKind.CARD_REMOVED: _card_removed,
    FactKind.CARD_UPDATED: _card_updated,
    FactKind.PROCESSING_FEE: _processing_fee,
}


# Shared by the kinds


def _attempt_of(draft: Draft, fact: Fact, operation: Operation) -> Attempt | None:
    """The open attempt that made the object: by the id in its metadata, else by the object's own."""
    attempt = draft.tab.attempt(fact.attempt_id) or next(
        (a for a in draft.tab.attempts if a.payment_id == fact.object_id and a.operation == operation), None
    )
    return attempt if attempt is not None and attempt.operation == operation and attempt.is_open else None


def _open_attempt_on(draft: Draft, payment_id: str, operation: Operation) -> Attempt | None:
    return next(
        (a for a in draft.tab.attempts if a.is_open and a.payment_id == payment_id and a.operation == operation), None
    )


def _refunded_leg(draft: Draft, fact: Fact) -> Leg | None:
    """The payment that is refunded. One that we have not heard of is for a person: somebody gave back its money."""
    leg = draft.tab.leg(fact.payment_id or "")
    stray = f"Refund {fact.object_id} is of payment {fact.payment_id}, which this tab knows nothing of."
    if leg is None and draft.tab.flagged != stray:
        _flag(draft, stray)
    return leg


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


def _take(draft: Draft, fact: Fact, kind: LegKind) -> None:
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


def _keep_card(draft: Draft, fact: Fact) -> None:
    """Remember the card for later, only where the customer agreed to that."""
    if fact.card is not None and deposit.may_keep_card(draft.tab):
        draft.update(card=fact.card)
        draft.record("card_saved", card_id=fact.card.card_id, brand=fact.card.brand, last4=fact.card.last4)


def _know_object(draft: Draft, fact: Fact) -> None:
    """Note which tab the object belongs to, so that events without our metadata find it."""
    known = {hold.payment_id for hold in draft.base.holds} | {leg.payment_id for leg in draft.base.legs}
    known |= {attempt.payment_id for attempt in draft.base.attempts if attempt.payment_id}
    known |= {refund_id for leg in draft.base.legs for refund_id in (*leg.refunds, *leg.pending_refunds)}
    if fact.object_id not in known and all(object_id != fact.object_id for object_id, _ in draft.objects):
        draft.objects.append((fact.object_id, fact.attempt_id))
