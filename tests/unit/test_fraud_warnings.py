"""Early fraud warnings: told once, given back by policy, never on top of a dispute."""

from __future__ import annotations

import pytest

from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.policy import FraudWarningAction, Policy
from tests.unit.till import ADA, Till

TOLD = (MessageKind.FRAUD_WARNED, Recipient.OWNER)


def paid(action: FraudWarningAction) -> Till:
    """A bill of 50, paid on the phone."""
    till = Till(policy=Policy(fraud_warning_action=action)).serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    till.messages.clear()
    return till


def warning(till: Till, warning_id: str = "issfr_1", payment_id: str = "pi_charge") -> Fact:
    return till.fact(FactKind.FRAUD_WARNED, warning_id, payment_id=payment_id)


@pytest.mark.parametrize("action", FraudWarningAction)
def test_fraud_warned(action: FraudWarningAction) -> None:
    """The owner is told once a payment, whichever warning comes first; the policy says whether it is refunded."""
    till = paid(action)

    till.hear(warning(till)).hear(warning(till)).hear(warning(till, "issfr_2"))

    assert till.told.count(TOLD) == 1
    refunds = [attempt.amount_minor for attempt in till.tab.attempts if attempt.operation == Operation.REFUND]
    assert refunds == ([50_00] if action == FraudWarningAction.REFUND else [])


def test_a_fraud_warning_of_a_payment_we_do_not_have_changes_nothing() -> None:
    """Its payment comes first, as news of its own."""
    till = paid(FraudWarningAction.REFUND)
    before = till.tab

    till.hear(warning(till, payment_id="pi_nobody"))

    assert till.tab == before
