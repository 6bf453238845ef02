"""Texts and figures of reconciliation that no story covers."""

from __future__ import annotations

from chalicelib.domain.books.reconciliation import known_objects, restore_pointer
from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.facts.fact import FactKind
from tests.unit.till import ADA, WITHOUT_CARD, Till


def paid() -> Till:
    return Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).charged()


def test_payments_their_refunds_and_their_disputes_lead_to_their_tab() -> None:
    """Each of them; cash leads nowhere, for nobody else knows of it."""
    till = paid().do(payment.refund, 10_00, "cold").refunded().disputed(FactKind.DISPUTE_OPENED)
    assert known_objects(till.tab) == {"pi_charge", "re_1", "dp_1"}

    assert known_objects(Till().serve(50_00).do(payment.take_cash, 50_00).tab) == set()


def test_a_pointer_that_is_restored_names_the_attempt_where_one_is_known() -> None:
    """And is in the history."""
    till = paid()
    (leg,) = till.tab.legs

    for object_id, attempt_id in ((leg.payment_id, leg.attempt_id), ("re_unknown", None)):
        draft = till.draft()
        restore_pointer(draft, object_id)
        assert draft.objects == [(object_id, attempt_id)]
        assert [(entry.kind, entry.details) for entry in draft.entries] == [
            ("pointer_restored", {"object_id": object_id})
        ]
