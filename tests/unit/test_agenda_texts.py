"""The texts of the agenda: due steps with their kind, reason and subject."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.facts.attempt_outcomes import note_absent
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import DepositState
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import Step, StepKind
from chalicelib.domain.tab.tab import Tab
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, STAFF, WITH_CARD, WITHOUT_CARD, Till


def held() -> Till:
    return Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()


def after(till: Till, *acts: Callable[[Draft], object]) -> Tab:
    """The tab with these written on it, and the agenda not asked yet."""
    till.now += timedelta(minutes=1)
    draft = till.draft(STAFF)
    for act in acts:
        act(draft)
    return draft.tab


def charged_twice() -> Tab:
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    return after(till, lambda draft: apply_fact(draft, till.fact(FactKind.CHARGED, "pi_twice", 50_00)))


def renewed() -> Tab:
    till = held().wait(days=6)
    fact = till.fact(FactKind.HOLD_PLACED, "pi_new", 20_00, capture_before=till.now + timedelta(days=7))
    return after(till, lambda draft: apply_fact(draft, fact), _end_all)


def _end_all(draft: Draft) -> None:
    for attempt in draft.tab.attempts:
        note_absent(draft, attempt)


def paid_past_the_phone() -> Tab:
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)
    return after(till, lambda draft: apply_fact(draft, till.fact(FactKind.CHARGED, "pi_other", 10_00)))


def _attempt_id(tab: Tab) -> str:
    assert tab.taking_attempt is not None
    return tab.taking_attempt.attempt_id


def accepted() -> Tab:
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00)
    draft = till.draft(ADA)
    bill.accept_bill(draft, 0)
    return draft.tab


def renewing() -> Tab:
    till = held()
    return after(
        till, lambda draft: draft.update(deposit=replace(draft.tab.deposit, state=DepositState.PLACING), holds=())
    )


def canceled() -> Tab:
    return after(held(), lambda draft: booking.cancel(draft, "rain"))


CASES: dict[str, tuple[Callable[[], Tab], StepKind, str, str | None]] = {
    "too much": (charged_twice, StepKind.REFUND, "more was taken than was due", None),
    "an old hold": (renewed, StepKind.RELEASE, "a newer hold has taken its place", "pi_hold"),
    "a useless hold": (canceled, StepKind.RELEASE, "the hold secures nothing any more", "pi_hold"),
    "a bill accepted": (accepted, StepKind.TAKE_LEG, "what is owed is taken as promised", None),
    "a card to hold on": (renewing, StepKind.PLACE_HOLD, "the deposit is held on the saved card", None),
    "nothing owed": (
        lambda: after(Till(), bill.complete),
        StepKind.CLOSE,
        "nothing is owed either way",
        None,
    ),
    "too high a sheet": (
        paid_past_the_phone,
        StepKind.CLOSE_PAYMENT,
        "the payment asked of the customer is no longer wanted",
        _attempt_id(paid_past_the_phone()),
    ),
}


@pytest.mark.parametrize(("tab", "kind", "why", "subject"), CASES.values(), ids=CASES.keys())
def test_what_is_due_at_once_says_what_why_and_about_which(
    tab: Callable[[], Tab], kind: StepKind, why: str, subject: str | None
) -> None:
    """From when the tab was last written; in words a merchant reads on the tab's page."""
    found = [step for step in agenda.steps(tab()) if step.kind == kind]

    assert found == [Step(kind, tab().updated_at, why, subject)]


def test_what_calls_somebody_waits_for_those_who_may_call() -> None:
    """What is due is no call to the gateway, however urgent it is."""
    assert agenda.due_call(canceled(), NOON + timedelta(hours=1)) is None

    paid = Till().serve(50_00).do(payment.take_cash, 50_00).tab
    assert agenda.due_call(paid, NOON) is None


def test_what_is_forgiven_or_given_up_is_planned_for_no_longer() -> None:
    """A charge that waited for the renewal of a hold is not made afterwards."""
    for give_up in (bill.waive, bill.write_off):
        till = held().wait(days=6).serve(50_00).accept_bill()
        assert till.tab.plan is not None
        assert till.tab.taking_attempt is None
        draft = till.draft(replace(STAFF, role="owner"))  # type: ignore[arg-type]

        give_up(draft, "kind")

        assert draft.tab.plan is None


def test_a_hold_is_worth_a_bill_of_the_minimum_and_nothing_below_it() -> None:
    """A residue that no card may be charged is for cash; what is one cent more can be captured."""
    for price, is_released in ((50, False), (49, True)):
        till = Till(deposit_minor=20_00).accept(*WITH_CARD, customer=CUSTOMER).hold_placed()
        till.serve(price).wait(days=1)

        assert till.tab.status == Status.DUE
        assert (StepKind.RELEASE in till.planned or _releasing(till)) == is_released


def _releasing(till: Till) -> bool:
    return any(attempt.operation == Operation.RELEASE for attempt in till.tab.attempts)
