"""The agenda: each step and its time, their order, and decisions made again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab import agenda, due_steps
from chalicelib.domain.tab.agenda import NEEDS_CALL
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.facts.attempt_outcomes import note_unknown
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.policy import LapseAction, Policy
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.tab.tab import Tab
from tests.unit.till import (
    ADA,
    CARD,
    CUSTOMER,
    EVERYTHING,
    NOON,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
)


def planned(tab: Tab) -> dict[StepKind, float]:
    """Each pending step and its hours from noon of the first day."""
    return {step.kind: (step.at - NOON).total_seconds() / 3600 for step in agenda.steps(tab)}


def held(**given: object) -> Till:
    return Till(deposit_minor=20_00, **given).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()  # type: ignore[arg-type]


def phone() -> Till:
    return Till().serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE)


# Each kind by name


def test_resolve_two_minutes_after_the_attempt_was_written() -> None:
    """A crash right after the first transaction is found by then."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()

    assert planned(till.tab) == {StepKind.RESOLVE: pytest.approx(2 / 60)}


def test_close_payment_at_the_end_of_its_lease() -> None:
    """Half an hour for the phone; the review runs on beside it."""
    assert planned(phone().tab) == {StepKind.CLOSE_PAYMENT: 0.5, StepKind.END_REVIEW: 24}


def test_close_payment_at_once_where_it_is_no_longer_wanted() -> None:
    """Paid in another way meanwhile: the sheet asks for more than is owed."""
    till = phone()

    till.hear(till.fact(FactKind.CHARGED, "pi_other", 10_00))

    assert planned(till.tab)[StepKind.CLOSE_PAYMENT] == 0


def test_hold_clock_a_day_before_the_hold_expires() -> None:
    """Six days into a hold of seven."""
    assert planned(held().tab) == {StepKind.HOLD_CLOCK: 6 * 24}


def test_hold_clock_by_the_policys_margin() -> None:
    """Three days before."""
    assert planned(held(policy=Policy(hold_margin_s=3 * 86400)).tab) == {StepKind.HOLD_CLOCK: 4 * 24}


def test_release_at_once_where_the_hold_secures_nothing() -> None:
    """The attempt is written ahead in the very change that made it useless."""
    till = held().do(booking.cancel, "so")

    assert till.open(Operation.RELEASE).amount_minor == 20_00


def test_refund_at_once_where_too_much_was_taken() -> None:
    """As much as is owed back."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()

    till.hear(till.fact(FactKind.CHARGED, "pi_twice", 20_00))

    assert till.open(Operation.REFUND).amount_minor == 20_00


def test_end_review_when_the_window_ends() -> None:
    """A day after the bill, or what the promise says."""
    assert planned(Till().serve(50_00).tab) == {StepKind.END_REVIEW: 24}
    assert planned(Till(policy=Policy(review_window_s=3600)).serve(50_00).tab) == {StepKind.END_REVIEW: 1}


def test_take_leg_at_once_and_one_at_a_time() -> None:
    """The second leg waits for the first."""
    till = held().serve(50_00).accept_bill()

    assert [attempt.operation for attempt in till.tab.attempts] == [Operation.CAPTURE]
    assert StepKind.TAKE_LEG not in planned(till.tab)


def test_place_hold_two_days_before_the_service() -> None:
    """By the policy."""
    till = Till.booked(in_hours=240).accept(*WITH_CARD, customer=CUSTOMER)

    assert planned(till.tab) == {StepKind.PLACE_HOLD: 240 - 48}


def test_lapse_deposit_after_the_policys_time() -> None:
    """A day."""
    assert planned(Till.booked(in_hours=72).tab) == {StepKind.LAPSE_DEPOSIT: 24}


def test_close_at_once_where_nothing_is_owed() -> None:
    """In the same change as the last payment; the receipt follows from that and is nothing to be done."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()

    assert till.tab.status == Status.CLOSED
    assert planned(till.tab) == {}


def test_nothing_is_planned_for_a_tab_that_waits_for_people() -> None:
    """Open, booked without a deposit, or due without consent after the last reminder."""
    assert planned(Till().tab) == {}
    assert planned(Till.booked(deposit_minor=0).tab) == {}
    due = Till(policy=Policy(reminder_offsets_s=())).accept(*WITHOUT_CARD).serve(50_00).wait(days=1)
    assert planned(due.tab) == {}


def test_remind_a_day_after_the_bill_fell_due() -> None:
    """By the policy's first offset."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).wait(days=1)

    assert planned(till.tab) == {StepKind.REMIND: 48}


def test_retry_charge_when_the_bank_advised() -> None:
    """Two days after the first decline, beside the reminders."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()

    till.declined(Operation.CHARGE, failure=TRY_LATER)

    assert planned(till.tab) == {StepKind.RETRY_CHARGE: 48, StepKind.REMIND: 24}


def test_contest_overdue_then_its_default() -> None:
    """The owner is reminded after a week; two days later the policy decides."""
    till = Till().serve(50_00).do(bill.contest, "too short", None, by=ADA)
    assert planned(till.tab) == {StepKind.CONTEST_OVERDUE: 7 * 24}

    till.wait(days=7)

    assert planned(till.tab) == {StepKind.CONTEST_DEFAULT: 9 * 24}


# Order


def test_the_order_is_unknown_hold_clock_obligations_charges_reminders() -> None:
    """Money rule 5."""
    assert list(StepKind) == [
        StepKind.RESOLVE,
        StepKind.CLOSE_PAYMENT,
        StepKind.HOLD_CLOCK,
        StepKind.RELEASE,
        StepKind.RETURN_CREDIT,
        StepKind.REFUND,
        StepKind.REFUND_BY_HAND,
        StepKind.TAKE_BACK_CREDIT,
        StepKind.END_REVIEW,
        StepKind.BILL_NOT_TOLD,
        StepKind.CONTEST_OVERDUE,
        StepKind.CONTEST_DEFAULT,
        StepKind.TAKE_LEG,
        StepKind.TAKE_FEE,
        StepKind.RETRY_CHARGE,
        StepKind.PLACE_HOLD,
        StepKind.LAPSE_DEPOSIT,
        StepKind.RETURN_SHARE,
        StepKind.REMIND,
        StepKind.TELL_END,
        StepKind.CLOSE,
        StepKind.TELL_CREDIT,
        StepKind.EXPIRE_CREDIT,
        StepKind.TELL_PARENT,
        StepKind.EVIDENCE_DUE,
        StepKind.SUBMIT_EVIDENCE,
        StepKind.ASK_STORY,
    ]


def test_of_two_due_steps_the_more_urgent_comes_first_however_late() -> None:
    """The review ended an hour before the hold's margin, and a sweep is two days late: still the hold comes first."""
    till = held(policy=Policy(review_window_s=143 * 3600)).serve(50_00)
    assert planned(till.tab) == {StepKind.END_REVIEW: 143, StepKind.HOLD_CLOCK: 144}

    till.wait(days=8)

    kinds = [entry.kind for entry in till.entries]
    assert kinds.index("hold_expiring") < kinds.index("review_ended")


def test_the_gateway_is_asked_about_the_older_of_two_attempts_first() -> None:
    """And about none before its time."""
    till = phone()
    (asked,) = till.tab.attempts
    assert asked.check_at is not None
    older = replace(asked, attempt_id="att_older", check_at=asked.check_at - timedelta(minutes=1))
    tab = replace(till.tab, attempts=(asked, older))

    step = agenda.due_call(tab, asked.check_at)

    assert step is not None
    assert (step.kind, step.subject) == (StepKind.CLOSE_PAYMENT, "att_older")
    assert agenda.due_call(tab, till.now) is None


def test_the_next_action_is_the_earliest_of_all() -> None:
    """Whatever its kind."""
    till = phone()

    assert agenda.next_action_at(till.tab) == min(step.at for step in agenda.steps(till.tab)) == till.tab.next_action_at


def test_why_is_said_in_words() -> None:
    """Every step says why it is taken."""
    for till in (phone(), held(), Till.booked()):
        assert all(len(step.why.split()) > 3 for step in agenda.steps(till.tab))


# Concluding


CHANGES: dict[str, Callable[[], Till]] = {
    "held, canceled": lambda: held().do(booking.cancel, "so"),
    "paid twice": lambda: phone().charged("pi_a").hear(Till().fact(FactKind.CHARGED, "pi_b", 50_00)),
    "lapsed": lambda: Till.booked(policy=Policy(deposit_lapse_action=LapseAction.CANCEL)).wait(hours=24),
    "review over": lambda: held().serve(50_00).wait(days=1),
    "a week late": lambda: held().serve(50_00).wait(days=8),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_concluded_change_leaves_nothing_due_that_needs_no_call(name: str) -> None:
    """What can be decided is decided; a second look at the same instant changes nothing."""
    till = CHANGES[name]()

    assert not [s for s in agenda.steps(till.tab) if s.at <= till.now and s.kind not in NEEDS_CALL]
    assert due_steps.conclude(till.draft()) is None


def test_an_index_that_is_wrong_is_a_change() -> None:
    """A snapshot whose next action is not what the agenda says is written again, so that the index learns of it."""
    till = Till().serve(50_00)
    till.tab = replace(till.tab, next_action_at=None)

    change = due_steps.conclude(till.draft())

    assert change is not None
    assert change.tab.next_action_at == till.now + timedelta(days=1)


# Would we do it again?


def test_a_charge_still_holds_while_it_is_owed() -> None:
    """Nothing has changed: the same attempt would be begun."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()

    assert due_steps.still_holds(till.tab, till.open(Operation.CHARGE), till.now)


def test_a_charge_no_longer_holds_when_the_debt_is_paid_or_smaller() -> None:
    """It would take what is not owed."""
    for paid in (50_00, 20_00):
        till = (
            Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill().end(note_unknown, Operation.CHARGE)
        )
        attempt = till.open(Operation.CHARGE)
        till.hear(till.fact(FactKind.CHARGED, "pi_other", paid))

        assert not due_steps.still_holds(till.tab, attempt, till.now)


def test_a_charge_no_longer_holds_on_another_card() -> None:
    """The decision was about that card."""
    till = Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00).accept_bill()
    attempt = till.open(Operation.CHARGE)

    assert not due_steps.still_holds(replace(till.tab, card=replace(CARD, card_id="pm_new")), attempt, till.now)


def test_a_placement_still_holds_before_the_service_and_not_after_a_cancel() -> None:
    """A hold for a canceled booking secures nothing."""
    till = Till.booked().accept(*WITH_CARD, customer=CUSTOMER)
    attempt = till.open(Operation.PLACE_HOLD)
    assert due_steps.still_holds(till.tab, attempt, till.now)

    till.do(booking.cancel, "so")

    assert not due_steps.still_holds(till.tab, attempt, till.now)


def test_what_the_customer_was_to_confirm_never_holds_without_them() -> None:
    """It is not made again behind their back."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA)

    assert not due_steps.still_holds(till.tab, till.open(Operation.CHARGE), till.now)


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.RELEASE, Operation.REFUND])
def test_captures_releases_and_refunds_hold_while_nothing_changes(operation: Operation) -> None:
    """Each would be begun again just so."""
    till = {
        Operation.CAPTURE: lambda: held().serve(50_00).accept_bill(),
        Operation.RELEASE: lambda: held().do(booking.cancel, "so"),
        Operation.REFUND: CHANGES["paid twice"],
    }[operation]()

    assert due_steps.still_holds(till.tab, till.open(operation), till.now)


def test_a_release_no_longer_holds_when_the_hold_is_needed_again() -> None:
    """The no-show was a mistake: the hold stays."""
    till = Till.booked(in_hours=24, no_show_fee_minor=0).accept(*WITH_CARD, customer=CUSTOMER).hold_placed()
    till.wait(hours=25).do(booking.mark_no_show)
    attempt = till.open(Operation.RELEASE)

    till.do(booking.check_in)

    assert not due_steps.still_holds(till.tab, attempt, till.now)
