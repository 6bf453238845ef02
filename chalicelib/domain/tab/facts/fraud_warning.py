"""Facts about early fraud warnings: the owner is told, and may refund before a dispute costs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.tab.actions import Action, refusal
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.adjust import announce_refund, lower_paid
from chalicelib.domain.tab.facts.attempt_outcomes import know_object
from chalicelib.domain.tab.policy import FraudWarningAction

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.facts.fact import Fact

_OWNER = Actor(subject="", role=Role.OWNER)


def fraud_warned(draft: Draft, fact: Fact) -> None:
    """Tell the owner, once for each payment, and refund it if the policy says so.

    https://docs.stripe.com/disputes/measuring#early-fraud-warnings: most of these payments are disputed later, and a
    full refund beforehand prevents that. After a dispute has begun a refund would pay twice.
    """
    leg = draft.tab.leg(fact.payment_id or "")
    if leg is None or leg.fraud_warning is not None:
        return
    know_object(draft, fact)
    draft.update_leg(leg, fraud_warning=fact.object_id)
    warning: dict[str, Any] = {
        "warning_id": fact.object_id,
        "payment_id": leg.payment_id,
        "amount_minor": leg.refundable_minor,
    }
    if not leg.refundable_minor or leg.is_disputed:
        draft.record("fraud_warned", **warning)
        return
    gives_back_minor = min(leg.refundable_minor, draft.tab.amount_due_minor)
    by_policy = draft.tab.policy.fraud_warning_action == FraudWarningAction.REFUND
    refused = refusal(draft.tab, Action.REFUND, _OWNER, draft.now)
    if refused is not None:
        draft.record("fraud_warned", **warning, advice="not_now", refused=refused.code)
    elif by_policy and gives_back_minor:
        draft.record("fraud_warned", **warning, advice="refunding")
        lower_paid(draft, gives_back_minor, "fraud_warning")
        announce_refund(draft, gives_back_minor, "fraud_warning")
    else:
        draft.record("fraud_warned", **warning, advice="decide")
