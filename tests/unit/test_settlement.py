"""Settlement: the deposit first, the balance after, and never a leg below the minimum charge."""

from __future__ import annotations

from chalicelib.domain.tab import Outcome, Status
from tests.unit.till import CUSTOMER, EVERYTHING, Till


def test_a_bill_above_the_hold_is_captured_first_and_the_balance_charged() -> None:
    """Of a bill of 50 with 20 held, 20 are captured, then 30 charged, and the tab closes by itself."""
    till = Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()

    till.serve(50_00).accept_bill().captured().charged()

    assert [leg.amount_minor for leg in till.tab.legs] == [20_00, 30_00]
    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.FULFILLED)
    assert till.tab.next_action_at is None
