"""Outcomes of attempts: unknown, refused, absent or failed; and which attempt a fact belongs to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.tab import deposit, followup, settlement
from chalicelib.domain.tab.adjust import announce_refund, lower_paid
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.flag import FlagKind

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.facts.fact import Fact
    from chalicelib.domain.tab.payments import Leg

SCA_LEASE = timedelta(hours=24)
"""How long a customer has to authenticate a charge that was made without them."""

LADDER = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 10, 30, 60))
"""The delays after which an unknown outcome is looked up again (money rule 4)."""
AFTER_LADDER = timedelta(hours=6)
DELIVERIES_END = timedelta(days=3)
DAILY = timedelta(days=1)
"""After the ladder a person is told. We look on: every six hours while the gateway repeats webhooks, then daily."""


BANK_DECIDES = frozenset({"charge_disputed", "charge_for_pending_refund_disputed"})
"""The reasons for a failed refund while the payment is disputed: https://docs.stripe.com/refunds."""


def note_unknown(draft: Draft, attempt: Attempt) -> None:
    """The call's outcome is unknown: look it up again by the ladder; tell a person at its end."""
    checks = attempt.checks + 1
    if checks <= len(LADDER):
        check_at = draft.now + LADDER[checks - 1]
    else:
        if checks == len(LADDER) + 1:
            reason = f"The outcome of attempt {attempt.attempt_id} ({attempt.operation}) is still not known."
            draft.flag(FlagKind.OUTCOME_UNKNOWN, attempt.attempt_id, reason)
        is_young = draft.now - attempt.created_at < DELIVERIES_END
        check_at = draft.now + (AFTER_LADDER if is_young else DAILY)
    draft.update_attempt(attempt, state=AttemptState.UNKNOWN, checks=checks, check_at=check_at)
    if attempt.state != AttemptState.UNKNOWN:
        draft.record("outcome_unknown", attempt_id=attempt.attempt_id, operation=attempt.operation)


def note_rejected(draft: Draft, attempt: Attempt, failure: Failure) -> None:
    """The gateway refused the call itself: nothing moved, and a person must look.

    An attempt for a new payment has failed, by our fault. One on an existing payment is looked up again by the ladder,
    because the payment's state is not what we assumed.
    """
    if attempt.answers_bank:
        _not_answered(draft, attempt, AttemptState.FAILED, failure)
        return
    leg = draft.tab.leg(attempt.payment_id or "") if attempt.operation == Operation.REFUND else None
    if leg is not None and failure.code in BANK_DECIDES and not leg.lost_minor:
        draft.end_attempt(attempt, AttemptState.FAILED, failure)
        wait_for_bank(draft, leg, attempt.amount_minor)
        return
    if leg is not None and attempt.amount_minor > leg.refundable_minor:
        # A bank or the dashboard was first, as we know by now: decide again what is left to refund.
        draft.end_attempt(attempt, AttemptState.FAILED, failure)
        return
    if leg is not None:
        # The attempt is over; a person must return what is still owed back.
        draft.update_leg(leg, refund_failure=failure.code)
    else:
        _flag_refused_call(draft, attempt, failure)
    if attempt.operation == Operation.PLACE_HOLD:
        draft.end_attempt(attempt, AttemptState.FAILED, failure)
        deposit.placement_refused(draft, attempt)
    elif attempt.operation == Operation.CHARGE:
        draft.end_attempt(attempt, AttemptState.FAILED, failure)
        if not attempt.is_on_session:
            settlement.card_failed(draft)
            followup.charge_refused(draft, attempt.amount_minor)
        settlement.replan(draft)
    else:
        note_unknown(draft, attempt)


def _not_answered(draft: Draft, attempt: Attempt, state: AttemptState, failure: Failure | None = None) -> None:
    """The evidence was not taken: the owner learns that the bank has nothing yet, as long as it still asks."""
    draft.end_attempt(attempt, state, failure)
    dispute = draft.tab.dispute(attempt.dispute_id or "")
    draft.record(
        "evidence_not_sent",
        dispute_id=attempt.dispute_id,
        operation=attempt.operation,
        code=failure.code if failure else "no_trace",
        amount_minor=dispute.amount_minor if dispute else 0,
        respond_by=dispute.respond_by if dispute and dispute.awaits_answer else None,
    )


def wait_for_bank(draft: Draft, leg: Leg, amount_minor: int) -> None:
    """The payment is disputed: either the bank returns the money, or we refund it after its decision.

    The gateway may know of the dispute before its event reaches us: try again daily, and at once when it is decided.
    """
    draft.update_leg(leg, refund_again_at=draft.now + DAILY)
    draft.record("refund_waits_for_bank", payment_id=leg.payment_id, amount_minor=amount_minor)


def _flag_refused_call(draft: Draft, attempt: Attempt, failure: Failure) -> None:
    """One flag and one entry for each operation, however often its call is refused."""
    reason = f"The gateway refused our call ({attempt.operation}): {failure.code}. Nothing was taken."
    if not any(flag.kind == FlagKind.CALL_REFUSED for flag in draft.tab.flags):
        draft.record(
            "call_refused",
            attempt_id=attempt.attempt_id,
            operation=attempt.operation,
            amount_minor=attempt.amount_minor,
            code=failure.code,
            again_by="customer" if attempt.is_on_session else "us",
        )
    draft.flag(FlagKind.CALL_REFUSED, attempt.operation, reason)


def note_absent(draft: Draft, attempt: Attempt) -> None:
    """The gateway has no trace of the attempt, and it will not be made again: close it as abandoned."""
    if attempt.answers_bank:
        _not_answered(draft, attempt, AttemptState.ABANDONED)
        return
    draft.end_attempt(attempt, AttemptState.ABANDONED)
    if attempt.checks >= len(LADDER):
        reason = f"Attempt {attempt.attempt_id} ({attempt.operation}) was made {attempt.checks} times in vain."
        draft.flag(FlagKind.MADE_IN_VAIN, attempt.attempt_id, reason)
    if attempt.operation == Operation.PLACE_HOLD and attempt.is_on_session:
        # The customer was never asked, so the deposit still waits for them.
        deposit.placement_closed(draft)
    elif attempt.operation == Operation.PLACE_HOLD:
        deposit.placement_failed(draft, None)
    settlement.replan(draft)


def note_failed(draft: Draft, attempt: Attempt, failure: Failure | None) -> None:
    """An attempt failed for good; the consequence depends on its operation."""
    draft.end_attempt(attempt, AttemptState.FAILED, failure)
    draft.call_was_taken(attempt)
    if attempt.operation == Operation.PLACE_HOLD:
        deposit.placement_failed(draft, failure)
    if attempt.operation == Operation.CHARGE and not attempt.is_on_session:
        settlement.card_failed(draft)
        followup.charge_failed(draft, attempt.amount_minor, failure)


def granted(draft: Draft, fact: Fact) -> None:
    """A refund in the dashboard of more than is owed back lowers what is due by the excess.

    Otherwise the customer would owe again what they were just given, and be reminded and charged.
    """
    unasked_minor = min(fact.amount_minor - draft.tab.refund_owed_minor, draft.tab.amount_due_minor)
    if unasked_minor > 0:
        lower_paid(draft, unasked_minor, "made_at_gateway")
        announce_refund(draft, unasked_minor, "made_at_gateway")


def attempt_of(draft: Draft, fact: Fact, operation: Operation) -> Attempt | None:
    """The open attempt that made the object: by the id in its metadata, or else by the object's id."""
    attempt = draft.tab.attempt(fact.attempt_id) or next(
        (a for a in draft.tab.attempts if a.payment_id == fact.object_id and a.operation == operation), None
    )
    return attempt if attempt is not None and attempt.operation == operation and attempt.is_open else None


def open_attempt_on(draft: Draft, payment_id: str, operation: Operation) -> Attempt | None:
    return next(
        (a for a in draft.tab.attempts if a.is_open and a.payment_id == payment_id and a.operation == operation), None
    )


def know_object(draft: Draft, fact: Fact) -> None:
    """Record a pointer from the object to the tab, so that events without our metadata find it."""
    known_ids = {hold.payment_id for hold in draft.base.holds} | {leg.payment_id for leg in draft.base.legs}
    known_ids |= {known for attempt in draft.base.attempts for known in (attempt.payment_id, attempt.page_id) if known}
    known_ids |= {refund_id for leg in draft.base.legs for refund_id in (*leg.refunds, *leg.pending_refunds)}
    known_ids |= {dispute.dispute_id for leg in draft.base.legs for dispute in leg.disputes}
    if fact.object_id not in known_ids and all(object_id != fact.object_id for object_id, _ in draft.objects):
        draft.objects.append((fact.object_id, fact.attempt_id))
