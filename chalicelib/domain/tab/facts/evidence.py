"""Facts about evidence: it was put on a dispute, or has gone to the bank, whoever did that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Dispute, DisputeState

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

OF_INQUIRY = "inquiry"
"""`Fact.occurrence` of evidence that answers an inquiry: a dispute that it has become since asks anew."""
ELSEWHERE = Failure(code="evidence_submitted_elsewhere")
"""Somebody has answered at the gateway itself. It takes one answer, so ours was not sent and will not be."""


def evidence_staged(draft: Draft, fact: Fact) -> None:
    """What one of our attempts has put there is there; the bank does not see it yet."""
    attempt, dispute = _attempt(draft, fact), draft.tab.dispute(fact.object_id)
    if dispute is None or attempt is None or attempt.attempt_id != fact.attempt_id:
        return
    if _is_about_now(dispute, fact) and dispute.awaits_answer:
        draft.update_dispute(_payment_id(draft, dispute), replace(dispute, staged_at=draft.now))
    draft.record("evidence_staged", dispute_id=dispute.dispute_id, sha256=attempt.sealed_sha256)
    draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def evidence_submitted(draft: Draft, fact: Fact) -> None:
    """The bank has it. Of the attempts under way, the one that it names has done it; any other has come too late."""
    dispute = draft.tab.dispute(fact.object_id)
    if dispute is None:
        return
    attempt = _attempt(draft, fact)
    is_ours = attempt is not None and attempt.attempt_id == fact.attempt_id
    is_news = dispute.submitted_at is None and _is_about_now(dispute, fact)
    if is_news:
        submitted = replace(dispute, submitted_at=draft.now, submitted_by=fact.attempt_id)
        draft.update_dispute(_payment_id(draft, dispute), submitted)
    if is_news or is_ours:
        draft.record(
            "evidence_submitted",
            dispute_id=dispute.dispute_id,
            amount_minor=dispute.amount_minor,
            of=fact.occurrence or "dispute",
            attempt_id=fact.attempt_id,
            sha256=attempt.sealed_sha256 if attempt is not None and is_ours else None,
        )
    if attempt is not None and (is_news or is_ours):
        state, failure = (AttemptState.SUCCEEDED, None) if is_ours else (AttemptState.FAILED, ELSEWHERE)
        draft.end_attempt(attempt, state, failure)


def _is_about_now(dispute: Dispute, fact: Fact) -> bool:
    """Whether it answers what the bank asks now: news of an answered inquiry may come after it has become a dispute."""
    asks_only = dispute.state in (DisputeState.INQUIRY, DisputeState.INQUIRY_CLOSED)
    return asks_only == (fact.occurrence == OF_INQUIRY)


def _attempt(draft: Draft, fact: Fact) -> Attempt | None:
    return next((one for one in draft.tab.attempts if one.answers_bank and one.dispute_id == fact.object_id), None)


def _payment_id(draft: Draft, dispute: Dispute) -> str:
    return next(leg.payment_id for leg in draft.tab.legs if leg.dispute(dispute.dispute_id) is not None)


APPLY = {
    FactKind.EVIDENCE_STAGED: evidence_staged,
    FactKind.EVIDENCE_SUBMITTED: evidence_submitted,
}
