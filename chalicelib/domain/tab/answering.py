"""Answering a bank that disputes a payment: until when, once, and with what was sealed.

What is answered is put together in `domain/trust/evidence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.errors import DomainError, EvidenceSubmitted, PaymentInProgress, TransitionRefused

if TYPE_CHECKING:
    from chalicelib.domain.tab.attempt import Attempt
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.payments import Dispute
    from chalicelib.domain.tab.tab import Tab

REMIND_BEFORE = timedelta(hours=24)
"""How long before the deadline the owner is reminded."""


def open_attempt(tab: Tab, dispute_id: str) -> Attempt | None:
    """The attempt under way to answer this dispute; there is never a second one beside it."""
    return next((one for one in tab.attempts if one.answers_bank and one.dispute_id == dispute_id), None)


def refusal(tab: Tab, dispute_id: str, now: datetime) -> DomainError | None:
    """Why no evidence can be sent for this dispute now; None if it can."""
    dispute, attempt = tab.dispute(dispute_id), open_attempt(tab, dispute_id)
    assert dispute is not None, "it is about a dispute of the tab"
    if dispute.submitted_at is not None:
        return EvidenceSubmitted(
            f"The bank has had the answer since {instants.text(dispute.submitted_at)}, and takes only one. "
            "It now decides, which can take three months.",
            submitted_at=instants.text(dispute.submitted_at),
        )
    if attempt is not None:
        return PaymentInProgress(
            "Evidence is on its way already, and it is not known yet whether it arrived. Read it again in a moment.",
            attempt_id=attempt.attempt_id,
            attempt_state=attempt.state,
        )
    if _is_in_time(dispute, now):
        return None
    if dispute.awaits_answer:
        assert dispute.respond_by is not None, "an answer is awaited until some time"
        words = f"The bank took an answer until {instants.text(dispute.respond_by)}."
    else:
        words = f"The bank awaits no answer: the dispute is {dispute.state.replace('_', ' ')}."
    return TransitionRefused(
        f"{words} What can still be done about it is shown in Stripe's dashboard.", status=tab.status
    )


def still_wanted(tab: Tab, attempt: Attempt, now: datetime) -> bool:
    """Whether an attempt without an outcome may still be made: the bank asks the same question, and is in time."""
    dispute = tab.dispute(attempt.dispute_id or "")
    return dispute is not None and _is_in_time(dispute, now) and attempt.created_at >= _asked_at(dispute)


def reminders(tab: Tab) -> Iterator[tuple[Dispute, datetime]]:
    """The disputes whose owner will be reminded, and when."""
    for leg in tab.legs:
        for dispute in leg.disputes:
            if dispute.awaits_answer and not dispute.reminded and open_attempt(tab, dispute.dispute_id) is None:
                assert dispute.respond_by is not None, "an answer is awaited until some time"
                yield dispute, dispute.respond_by - REMIND_BEFORE


def submits_itself(tab: Tab, dispute: Dispute) -> bool:
    """Whether the owner is not reminded, but what they have read and staged goes to the bank by then."""
    return tab.policy.submits_evidence and dispute.staged_at is not None


def remind_owner(draft: Draft, dispute_id: str) -> None:
    """Tell the owner that the time to answer is about to end. After the deadline there is nothing to be reminded of."""
    dispute = note_last_day(draft, dispute_id)
    if _is_in_time(dispute, draft.now):
        draft.record(
            "evidence_due",
            dispute_id=dispute_id,
            amount_minor=dispute.amount_minor,
            respond_by=dispute.respond_by,
            is_staged=dispute.staged_at is not None,
        )


def note_last_day(draft: Draft, dispute_id: str) -> Dispute:
    """The last day for an answer has begun: what the agenda does about it, it does once."""
    leg = next(leg for leg in draft.tab.legs if leg.dispute(dispute_id) is not None)
    dispute = leg.dispute(dispute_id)
    assert dispute is not None, "it is about a dispute of the tab"
    draft.update_dispute(leg.payment_id, replace(dispute, reminded=True))
    return dispute


def _is_in_time(dispute: Dispute, now: datetime) -> bool:
    return dispute.awaits_answer and dispute.respond_by is not None and now < dispute.respond_by


def _asked_at(dispute: Dispute) -> datetime:
    return dispute.asked_at or dispute.opened_at
