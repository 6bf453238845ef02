"""Staff pause and resume the follow-up of a tab, and send a reminder themselves."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from chalicelib.domain import instants
from chalicelib.domain.errors import DomainError, Forbidden, InvalidInput, NothingToPay, TransitionRefused
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking, followup, payment
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.step import StepKind
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, OWNER, STAFF, TRY_LATER, WITHOUT_CARD, Till

DAY = timedelta(days=1)


def unpaid(**given: object) -> Till:
    """A bill of 50, accepted at noon; no card. Reminders follow after 1, 3 and 7 days."""
    return Till(**given).accept(*WITHOUT_CARD).serve(50_00).accept_bill()  # type: ignore[arg-type]


def declined() -> Till:
    """A bill of 50 with every consent; its charge was declined at noon, and is tried again some days later."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill()
    return till.declined(Operation.CHARGE, failure=TRY_LATER)


def paused(till: Till, until: datetime | None = None) -> Till:
    return till.do(followup.pause_followup, "on holiday", until)


def reminded(till: Till) -> list[datetime]:
    return [entry.at for entry in till.entries if entry.kind == "reminded"]


def refusal(till: Till, command: object, *args: object, by: object = STAFF) -> DomainError:
    with pytest.raises(DomainError) as refused:
        till.do(command, *args, by=by)  # type: ignore[arg-type]
    return refused.value


# Pausing


def test_nothing_is_sent_or_charged_during_a_pause_without_an_end() -> None:
    """No reminder, no try of the card, and the owner is not told that it has ended: it has only been paused."""
    for till in (paused(unpaid()), paused(declined())):
        steps = len(till.entries)

        till.wait(days=30)

        assert len(till.entries) == steps
        assert till.tab.next_action_at is None
        assert till.tab.expected_at is None


def test_a_pause_ends_at_its_time() -> None:
    """One reminder then, for all that were missed, and the others as planned; the saved card is tried again."""
    until = NOON + 2 * DAY
    till = paused(unpaid(), until)

    till.wait(days=2).wait(days=1)

    assert reminded(till) == [until, NOON + 3 * DAY]

    card = paused(declined(), NOON + 30 * DAY)
    assert card.planned[StepKind.RETRY_CHARGE] == card.tab.expected_at == NOON + 30 * DAY


def test_a_pause_that_ends_at_night_disturbs_nobody() -> None:
    """Quiet hours hold as ever."""
    till = paused(unpaid(), NOON + DAY + timedelta(hours=10))

    till.wait_until(NOON + DAY + timedelta(hours=10)).wait_until(NOON + 2 * DAY)

    (at,) = reminded(till)
    assert at == NOON + 2 * DAY
    assert till.tab.followup.not_before is not None


def test_resuming_does_what_has_become_due() -> None:
    """At once, in the same change; and it stays resumed."""
    till = paused(unpaid()).wait(days=4).do(followup.resume_followup)

    assert reminded(till) == [NOON + 4 * DAY]
    assert till.tab.pause is None
    assert till.tab.next_action_at == NOON + 7 * DAY


def test_a_bill_is_not_charged_when_its_review_ends_during_a_pause() -> None:
    """It becomes due as promised; the charge waits for the end of the pause."""
    till = paused(Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00))

    till.wait(days=2)

    assert (till.tab.status, till.tab.attempts) == (Status.DUE, ())
    till.do(followup.resume_followup)
    assert till.open(Operation.CHARGE).amount_minor == 50_00


def test_a_hold_is_captured_before_it_expires_during_a_pause() -> None:
    """A pause is a courtesy to the customer; it does not make the business lose what is held for it."""
    till = Till(deposit_minor=50_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)

    paused(till).wait(days=6.5)

    assert till.open(Operation.CAPTURE).amount_minor == 50_00


def test_an_announced_fee_is_not_taken_during_a_pause() -> None:
    """Until somebody resumes the follow-up."""
    till = Till.booked(24, deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER)
    till.wait(hours=26).do(booking.mark_no_show)

    paused(till).wait(days=3)

    assert till.tab.attempts == ()
    assert till.do(followup.resume_followup).open(Operation.CHARGE).amount_minor == 30_00


def test_what_people_do_goes_on_during_a_pause() -> None:
    """Cash at the counter, a payment on the phone."""
    till = paused(unpaid())

    assert till.allows(Action.PAY_ON_PHONE, ADA)
    assert till.do(payment.take_cash, 50_00).tab.status == Status.CLOSED


def test_it_is_on_record_who_paused_and_why() -> None:
    """In the tab and in its history; a second pause replaces the first."""
    till = paused(unpaid())
    till.do(followup.pause_followup, "pays in May", NOON + 5 * DAY, by=OWNER)

    assert till.tab.pause is not None
    assert (till.tab.pause.by, till.tab.pause.reason) == (OWNER.subject, "pays in May")
    recorded = [(entry.by, entry.details) for entry in till.entries if entry.kind == "followup_paused"]
    assert recorded == [
        (STAFF.subject, {"until": None, "reason": "on holiday"}),
        (OWNER.subject, {"until": instants.text(NOON + 5 * DAY), "reason": "pays in May"}),
    ]


@pytest.mark.parametrize("until", [NOON, NOON - DAY, NOON + timedelta(days=367)])
def test_the_end_of_a_pause_lies_ahead(until: datetime) -> None:
    """Within a year; anything else is a mistake."""
    with pytest.raises(InvalidInput, match="until"):
        paused(unpaid(), until)


def test_a_pause_is_refused_where_nothing_is_owed() -> None:
    """A paid tab has no follow-up."""
    till = Till.booked(24).accept(*WITHOUT_CARD)
    assert isinstance(refusal(till, followup.pause_followup, "so", None), TransitionRefused)

    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    assert till.allows(Action.PAUSE_FOLLOWUP)
    till.do(payment.take_cash, 50_00)
    assert not till.allows(Action.PAUSE_FOLLOWUP)


def test_only_a_pause_can_be_resumed() -> None:
    """A pause that is over need not be, and none can't."""
    assert "not paused" in str(refusal(unpaid(), followup.resume_followup))
    over = paused(unpaid(), NOON + DAY)
    assert over.allows(Action.RESUME_FOLLOWUP)
    assert not over.wait(days=1).allows(Action.RESUME_FOLLOWUP)


def test_customers_do_not_pause_their_own_debts() -> None:
    """Nor send themselves reminders."""
    till = unpaid()
    for command, args in ((followup.pause_followup, ("so", None)), (followup.send_reminder, ())):
        assert isinstance(refusal(till, command, *args, by=ADA), Forbidden)


# Sending a reminder now


def test_a_reminder_is_sent_at_once() -> None:
    """It is the next of the planned ones, so that nobody is reminded more often for it."""
    till = unpaid().wait(hours=2).do(followup.send_reminder)

    assert reminded(till) == [NOON + timedelta(hours=2)]
    till.wait(days=1).wait(days=2).wait(days=4)
    assert reminded(till)[1:] == [NOON + timedelta(hours=2) + 3 * DAY, NOON + timedelta(hours=2) + 7 * DAY]


def test_a_reminder_asked_for_at_night_is_sent_in_the_morning() -> None:
    """Once, and not a second time when it is asked for again."""
    till = unpaid()
    till.wait_until(NOON + timedelta(hours=10)).do(followup.send_reminder)
    assert reminded(till) == []
    assert "quiet hours" in str(refusal(till, followup.send_reminder))

    morning = till.planned[StepKind.REMIND]
    till.wait_until(morning)

    assert reminded(till) == [morning]
    assert NOON + timedelta(hours=10) < morning < NOON + DAY


def test_two_reminders_have_a_day_between_them() -> None:
    """Whoever sent the first one."""
    till = unpaid().wait(days=1)
    assert len(reminded(till)) == 1

    refused = refusal(till.wait(hours=23), followup.send_reminder)

    assert "less than a day ago" in str(refused)
    assert till.wait(hours=1).allows(Action.SEND_REMINDER)


def test_a_reminder_can_be_sent_after_the_last_planned_one() -> None:
    """And where the policy plans none at all."""
    till = unpaid(policy=Policy(reminder_offsets_s=())).wait(days=30).do(followup.send_reminder)
    assert len(reminded(till)) == 1

    till = unpaid().wait(days=1).wait(days=2).wait(days=4).wait(days=30).do(followup.send_reminder)
    assert len(reminded(till)) == 4


def test_a_payment_before_the_morning_takes_the_reminder_back() -> None:
    """What is paid is not asked for."""
    till = unpaid().wait_until(NOON + timedelta(hours=10)).do(followup.send_reminder).do(payment.take_cash, 50_00)

    till.wait(days=30)

    assert reminded(till) == []


def test_a_request_is_dropped_when_the_tab_is_contested_for_days() -> None:
    """The bill is another matter by then, so whoever still wants it asks again."""
    till = unpaid().wait_until(NOON + timedelta(hours=10)).do(followup.send_reminder)
    till.do(bill.contest, "too short", None, by=ADA).wait(days=2)
    till.do(bill.resolve, "uphold", None, "as agreed")

    till.wait(hours=12)

    assert (reminded(till), till.tab.followup.remind_at) == ([], None)


def test_a_pause_takes_the_request_back() -> None:
    """Whoever pauses wants silence, and asks again after resuming."""
    till = unpaid().wait_until(NOON + timedelta(hours=10)).do(followup.send_reminder)

    paused(till).wait(hours=12).do(followup.resume_followup)

    assert (till.tab.followup.remind_at, reminded(till)) == (None, [])
    assert till.planned[StepKind.REMIND] == NOON + DAY


def test_a_reminder_is_refused_with_the_reason() -> None:
    """Nothing owed, under review, not due yet, paused, disputed, or being paid at this moment."""
    missed = Till.booked(24).accept(*WITHOUT_CARD).wait(hours=26).do(booking.mark_no_show)
    part_paid = Till(deposit_minor=20_00).accept(*WITHOUT_CARD).hold_placed().serve(50_00).accept_bill().captured()
    said = {
        "must be due": Till().accept(*WITHOUT_CARD).serve(50_00),
        "paused": paused(unpaid()),
        "not due yet": missed,
        "disputes": part_paid.disputed(FactKind.DISPUTE_OPENED, payment_id="pi_hold", amount_minor=20_00),
        "in progress": unpaid().do(payment.pay_on_phone, by=ADA),
    }
    for words, till in said.items():
        assert words in str(refusal(till, followup.send_reminder)), words
        assert not till.allows(Action.SEND_REMINDER)

    free = Till.booked(72).accept(*WITHOUT_CARD).do(booking.cancel, "ill", by=ADA)
    assert isinstance(refusal(free, followup.send_reminder), NothingToPay | TransitionRefused)
