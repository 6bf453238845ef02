"""Write-ahead, gateway call, outcome: whatever fails between them, money moves once and the tab ends right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.domain.errors import PaymentInProgress
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.payments import DepositState
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.usecases.tab.advance_tab import advance_tab
from chalicelib.usecases.tab.bill import add_items, waive
from chalicelib.usecases.tab.booking import cancel_tab, mark_no_show
from chalicelib.usecases.tab.payment import pay_on_phone
from tests.usecases.fake_gateway import CLOSE, FIND, CardBehaviour, Fault
from tests.usecases.shop import EVERYTHING, WITH_CARD, WITHOUT_CARD, Shop

# Each operation, broken at each boundary


@dataclass(frozen=True)
class Story:
    """How the operation comes about, and how the tab looks when all has been healed."""

    operation: Operation
    arrange: Callable[[Shop], object]
    act: Callable[[Shop], object]
    paid: int
    status: Status
    deposit: DepositState


def _booked(shop: Shop) -> Shop:
    return shop.open(starts_in_hours=24, deposit_minor=20_00, no_show_fee_minor=30_00, late_cancel_fee_minor=15_00)


def _held(shop: Shop) -> Shop:
    _booked(shop).accept(*WITH_CARD)
    return shop


def _in_review(shop: Shop) -> Shop:
    return shop.open(*EVERYTHING, deposit_minor=20_00).serve(50_00)


def _fee_charged(shop: Shop) -> Shop:
    shop.open(*WITH_CARD, starts_in_hours=24, no_show_fee_minor=30_00)
    shop.wait(hours=25)
    mark_no_show(shop.deps, shop.tab_id, request=shop.request(shop.staff))
    return shop.wait(days=1)


STORIES = {
    "place hold": Story(
        Operation.PLACE_HOLD,
        _booked,
        lambda shop: shop.accept(*WITH_CARD),
        0,
        Status.BOOKED,
        DepositState.HELD,
    ),
    "release": Story(
        Operation.RELEASE,
        _held,
        lambda shop: cancel_tab(shop.deps, shop.tab_id, "burst pipe", request=shop.request(shop.staff)),
        0,
        Status.CLOSED,
        DepositState.RELEASED,
    ),
    "capture": Story(
        Operation.CAPTURE,
        _in_review,
        lambda shop: shop.accept_bill(),
        50_00,
        Status.CLOSED,
        DepositState.CAPTURED,
    ),
    "charge": Story(
        Operation.CHARGE,
        _in_review,
        lambda shop: shop.accept_bill(),
        50_00,
        Status.CLOSED,
        DepositState.CAPTURED,
    ),
    "refund": Story(
        Operation.REFUND,
        _fee_charged,
        lambda shop: waive(shop.deps, shop.tab_id, "ill", request=shop.request(shop.staff)),
        0,
        Status.NO_SHOW,
        DepositState.NONE,
    ),
}


def check_end(shop: Shop, story: Story) -> None:
    assert (shop.tab.status, shop.tab.paid_minor) == (story.status, story.paid)
    assert shop.tab.deposit.state == story.deposit
    assert shop.tab.attempts == ()
    assert shop.tab.flags == ()
    shop.check_books()


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_a_lost_answer_is_unknown_then_found_out_and_the_effect_happens_once(
    shop: Shop, name: str, fault: Fault
) -> None:
    """Two minutes after a time-out the outcome is looked up; only what left no trace is made again, under its key."""
    story = STORIES[name]
    story.arrange(shop)
    shop.gateway.fail(story.operation, fault)

    story.act(shop)
    assert shop.attempt(story.operation).state == AttemptState.UNKNOWN
    shop.wait(minutes=2)

    check_end(shop, story)
    made = shop.gateway.calls.count(story.operation)
    assert made == (2 if fault == Fault.LOST_BEFORE else 1)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_leaves_a_pending_attempt_that_the_schedule_heals(shop: Shop, name: str, fault: Fault) -> None:
    """The process dies around the call; what was written ahead is enough for the next sweep."""
    story = STORIES[name]
    story.arrange(shop)
    shop.gateway.fail(story.operation, fault)

    shop.crashing(lambda: story.act(shop))
    assert shop.attempt(story.operation).state == AttemptState.PENDING
    assert shop.tab.next_action_at is not None
    assert shop.tab.next_action_at <= shop.clock.now() + timedelta(minutes=2)
    shop.wait(minutes=2)

    check_end(shop, story)


@pytest.mark.parametrize("name", STORIES)
def test_the_webhook_may_come_before_the_answer(shop: Shop, name: str) -> None:
    """The process dies after the call; the event heals the tab before any sweep, and the sweep then finds nothing."""
    story = STORIES[name]
    story.arrange(shop)
    shop.gateway.undelivered.clear()
    shop.gateway.fail(story.operation, Fault.CRASH_AFTER)
    shop.crashing(lambda: story.act(shop))

    shop.deliver_all()

    check_end(shop, story)
    calls = len(shop.gateway.calls)
    shop.wait(minutes=2)
    assert len(shop.gateway.calls) == calls or shop.tab.version


# What a slow bank is still processing is not known, whoever says so.
@pytest.mark.parametrize("card", sorted(set(CardBehaviour) - {CardBehaviour.SLOW}))
@pytest.mark.parametrize("name", STORIES)
def test_news_that_overtakes_the_answer_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str, card: CardBehaviour
) -> None:
    """The events are handled while the answer of the same call is still on its way: it then adds nothing."""
    story = STORIES[name]
    story.arrange(shop)
    shop.deliver_all()
    shop.gateway.cards["pm_1"] = card
    real, overtaken = shop.gateway.perform, []

    def overtaking(tab: Tab, attempt: Attempt) -> tuple[Fact, ...]:
        facts = real(tab, attempt)
        shop.deliver_all()
        overtaken.append(shop.tab.attempt(attempt.attempt_id))
        return facts

    monkeypatch.setattr(shop.gateway, "perform", overtaking)
    story.act(shop)

    assert overtaken
    for known in overtaken:
        found = None if known is None else shop.tab.attempt(known.attempt_id)
        if known is not None and found is not None:
            assert (found.state, found.client_secret) == (known.state, known.client_secret)
    assert "outcome_unknown" not in shop.kinds()
    shop.check_always()


@pytest.mark.parametrize("name", STORIES)
def test_every_event_twice_and_late_changes_nothing(shop: Shop, name: str) -> None:
    """After the whole story all its webhooks come, and come again."""
    story = STORIES[name]
    story.arrange(shop)
    story.act(shop)
    events = list(shop.gateway.undelivered)
    before = shop.tab

    first = [shop.deliver(event) for event in events]
    second = [shop.deliver(event) for event in events]

    assert set(first) == {"handled"}
    assert set(second) == {"seen"}
    assert shop.tab == before
    check_end(shop, story)


@pytest.mark.parametrize("name", STORIES)
def test_a_call_that_never_gets_through_ends_with_a_person_and_not_in_silence(shop: Shop, name: str) -> None:
    """Ladder 2, 5, 10, 30, 60 minutes; then the tab is flagged, whatever is tried after that."""
    story = STORIES[name]
    story.arrange(shop)
    # What is due already, a receipt say.
    advance_tab(shop.deps, shop.tab)
    began = shop.clock.now()
    shop.gateway.fail(story.operation, *[Fault.LOST_BEFORE] * 6)
    story.act(shop)

    seen = []
    for _ in range(5):
        assert shop.tab.next_action_at is not None
        seen.append((shop.tab.next_action_at - began).total_seconds() / 60)
        assert shop.tab.flags == ()
        shop.clock.instant = shop.tab.next_action_at
        advance_tab(shop.deps, shop.tab)

    assert seen == [2, 7, 17, 47, 107]
    assert shop.tab.flags
    shop.check_books()


def test_a_gateway_that_is_down_for_a_day_is_asked_and_the_charge_made_once(shop: Shop) -> None:
    """Unknown stays unknown while nobody answers; then the trace is found and nothing is charged again."""
    _in_review(shop)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill()
    shop.gateway.is_down = True
    for _ in range(8):
        assert shop.tab.next_action_at is not None
        shop.clock.instant = shop.tab.next_action_at
        shop.wait()
    assert shop.tab.flags

    shop.gateway.is_down = False
    shop.sweep_until_quiet()

    assert shop.tab.status == Status.CLOSED
    assert shop.gateway.calls.count(Operation.CHARGE) == 1
    shop.check_books()


# When the decision no longer holds


def test_an_absent_hold_for_a_booking_that_was_canceled_is_abandoned(shop: Shop) -> None:
    """Replaying it would hold money for nothing."""
    _booked(shop)
    shop.gateway.fail(Operation.PLACE_HOLD, Fault.LOST_BEFORE)
    shop.accept(*WITH_CARD)
    attempt = shop.attempt(Operation.PLACE_HOLD)
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.staff))

    shop.wait(minutes=2)

    assert shop.gateway.payments == {}
    closed = shop.store.find_attempt(shop.merchant_id, shop.tab_id, attempt.attempt_id)
    assert closed is not None
    assert closed.state == AttemptState.ABANDONED
    assert shop.tab.status == Status.CLOSED


def test_a_hold_that_was_placed_for_a_canceled_booking_is_released(shop: Shop) -> None:
    """The answer was lost, the booking canceled: the look-up finds the hold, and it goes back."""
    _booked(shop)
    shop.gateway.fail(Operation.PLACE_HOLD, Fault.LOST_AFTER)
    shop.accept(*WITH_CARD)
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.staff))

    shop.wait(minutes=2)

    assert shop.tab.status == Status.CLOSED
    assert shop.gateway.held_minor(shop.tab_id) == 0
    shop.check_books()


def test_a_late_effect_of_an_abandoned_charge_is_adopted_and_refunded(shop: Shop) -> None:
    """Given up because there was no trace for hours; the money comes all the same, after the bill was waived."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.cards["pm_1"] = CardBehaviour.SLOW
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_AFTER)
    shop.crashing(shop.accept_bill)
    shop.gateway.undelivered.clear()
    slow = next(iter(shop.gateway.payments.values()))
    payments, shop.gateway.payments = shop.gateway.payments, {}
    shop.gateway.cards["pm_1"] = CardBehaviour.DECLINES
    shop.clock.instant += timedelta(hours=23)
    shop.wait()
    waive(shop.deps, shop.tab_id, "enough", request=shop.request(shop.owner))
    assert shop.tab.status == Status.CLOSED

    shop.gateway.payments |= payments
    shop.gateway.undelivered.clear()
    shop.gateway.finish_processing(slow.payment_id)
    shop.deliver_all()

    assert shop.tab.paid_minor == 0
    assert slow.kept_minor == 0
    assert shop.tab.payment_state == PaymentState.NONE
    shop.check_books()


def test_the_answer_has_the_attempt_as_it_was_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended in this request, so it is not read again: a call to the database less for each payment."""
    shop.open(*WITH_CARD).serve(50_00)
    reads: list[tuple[str, ...]] = []
    find_attempt = shop.store.find_attempt
    monkeypatch.setattr(shop.store, "find_attempt", lambda *key: reads.append(key) or find_attempt(*key))

    answer = shop.accept_bill()

    assert answer.attempt is not None and answer.attempt.state == AttemptState.SUCCEEDED
    assert reads == []
    assert answer.attempt == find_attempt(shop.merchant_id, shop.tab_id, answer.attempt.attempt_id)


def test_a_key_older_than_a_day_is_not_replayed(shop: Shop) -> None:
    """The gateway may have forgotten it: the attempt is given up and what is still owed gets a new one."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_BEFORE)
    shop.crashing(shop.accept_bill)
    first = shop.attempt(Operation.CHARGE)

    shop.wait(hours=23)

    closed = shop.store.find_attempt(shop.merchant_id, shop.tab_id, first.attempt_id)
    assert closed is not None
    assert closed.state == AttemptState.ABANDONED
    assert shop.tab.paid_minor == 50_00
    shop.check_books()


def test_a_slow_payment_is_waited_for(shop: Shop) -> None:
    """Processing is an outcome on its way: asked for again, never made again."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.cards["pm_1"] = CardBehaviour.SLOW
    shop.accept_bill()
    shop.wait(minutes=2)
    assert shop.gateway.calls.count(Operation.CHARGE) == 1

    (payment,) = shop.gateway.payments.values()
    shop.gateway.finish_processing(payment.payment_id)
    shop.wait(minutes=5)

    assert shop.tab.status == Status.CLOSED
    assert len(shop.gateway.payments) == 1


def test_a_refused_capture_is_looked_into_and_flagged(shop: Shop) -> None:
    """A 400 is our bug: a person is told at once; the payment is asked for what it is."""
    _in_review(shop)
    shop.gateway.fail(Operation.CAPTURE, Fault.REJECTED)

    shop.accept_bill()
    assert shop.tab.flags
    shop.wait(minutes=2)

    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_a_refused_charge_leaves_the_bill_to_the_phone(shop: Shop) -> None:
    """It is not repeated, and the customer can pay."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.REJECTED)

    shop.accept_bill()
    shop.wait(hours=48)

    assert shop.tab.flags
    assert shop.gateway.calls.count(Operation.CHARGE) == 1
    assert shop.tab.balance_minor == 50_00


def test_while_a_payment_is_unknown_what_changes_the_amount_waits(shop: Shop) -> None:
    """409 payment_in_progress, and nothing is changed by it."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_BEFORE)
    shop.accept_bill()
    before = shop.tab

    with pytest.raises(PaymentInProgress):
        waive(shop.deps, shop.tab_id, "enough", request=shop.request(shop.owner))

    assert shop.tab == before


# Holds


def test_a_lost_renewal_never_holds_twice_for_long(shop: Shop) -> None:
    """The new hold's answer is lost: it is found, and only then the old one released."""
    policy = Policy(hold_ahead_s=114 * 3600, hold_window_s=114 * 3600)
    shop = Shop(policy)
    shop.open(*WITH_CARD, starts_in_hours=110, deposit_minor=20_00, no_show_fee_minor=20_00)
    shop.gateway.fail(Operation.PLACE_HOLD, Fault.LOST_AFTER)

    shop.wait(hours=90)
    assert shop.gateway.held_minor(shop.tab_id) == 40_00
    shop.wait(minutes=2)

    assert shop.gateway.held_minor(shop.tab_id) == 20_00
    assert shop.tab.deposit.state == DepositState.HELD
    shop.check_books()


def test_a_hold_the_bank_asks_about_is_confirmed_on_the_phone(shop: Shop) -> None:
    """Kept, and confirmed by the customer in time."""
    shop.gateway.cards["pm_1"] = CardBehaviour.ASKS
    _booked(shop).accept(*WITH_CARD)
    attempt = shop.attempt(Operation.PLACE_HOLD)
    assert attempt.client_secret
    assert attempt.payment_id

    shop.gateway.confirm(attempt.payment_id)
    shop.deliver_all()

    assert shop.tab.deposit.state == DepositState.HELD


def test_a_hold_nobody_confirms_is_closed_by_the_schedule(shop: Shop) -> None:
    """At the lapse the payment on the phone is closed at the gateway too."""
    shop.open(starts_in_hours=72, deposit_minor=20_00, no_show_fee_minor=20_00).accept(*WITHOUT_CARD)

    shop.wait(hours=24)

    assert [payment.state for payment in shop.gateway.payments.values()] == ["canceled"]
    assert shop.tab.deposit.state == DepositState.LAPSED
    assert shop.tab.next_action_at is None


def test_a_hold_confirmed_at_the_last_moment_is_kept_or_released_but_never_lost(shop: Shop) -> None:
    """The customer confirms while the lapse cancels the booking: the hold is found and given back."""
    shop = Shop(Policy(deposit_lapse_action="cancel"))  # type: ignore[arg-type]
    shop.open(starts_in_hours=72, deposit_minor=20_00, no_show_fee_minor=20_00).accept(*WITHOUT_CARD)
    payment_id = shop.attempt(Operation.PLACE_HOLD).payment_id
    assert payment_id
    shop.gateway.confirm(payment_id)

    shop.wait(hours=24)

    assert shop.tab.status == Status.CLOSED
    assert shop.gateway.held_minor(shop.tab_id) == 0
    shop.deliver_all()
    shop.check_books()


def test_an_expired_hold_whose_event_was_lost_is_found_out_at_the_capture(shop: Shop) -> None:
    """The capture tells that it is over, and the card pays the whole bill."""
    shop.open(*WITH_CARD, deposit_minor=20_00)
    shop.clock.instant += timedelta(days=8)
    shop.serve(50_00)
    shop.gateway.expire_holds()
    shop.gateway.undelivered.clear()

    shop.accept_bill()
    shop.sweep_until_quiet()

    assert shop.tab.paid_minor == 50_00
    assert shop.tab.status == Status.CLOSED
    shop.check_books()


# The phone


def paying_on_the_phone(shop: Shop) -> str:
    shop.open(*WITHOUT_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    assert answer.attempt.client_secret is not None
    assert answer.attempt.payment_id is not None
    return answer.attempt.payment_id


def test_a_phone_payment_is_confirmed_and_heard_by_webhook(shop: Shop) -> None:
    """Paid, accepted by that, and closed."""
    payment_id = paying_on_the_phone(shop)

    shop.gateway.confirm(payment_id)
    shop.deliver_all()

    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_a_phone_payment_that_ran_out_is_closed_at_the_gateway(shop: Shop) -> None:
    """After half an hour nobody can pay the old sheet any more."""
    payment_id = paying_on_the_phone(shop)

    shop.wait(minutes=30)

    assert shop.gateway.payments[payment_id].state == "canceled"
    assert shop.tab.attempts == ()


def test_a_phone_payment_whose_event_was_lost_is_found_at_the_leases_end(shop: Shop) -> None:
    """Closing answers that it was paid: adopted."""
    payment_id = paying_on_the_phone(shop)
    shop.gateway.confirm(payment_id)

    shop.wait(minutes=30)

    assert shop.tab.status == Status.CLOSED
    assert shop.tab.paid_minor == 50_00


def test_a_lease_that_could_not_be_closed_is_closed_later(shop: Shop) -> None:
    """The gateway was away for a moment at the lease's end."""
    payment_id = paying_on_the_phone(shop)
    shop.gateway.fail(CLOSE, Fault.LOST_BEFORE)

    shop.wait(minutes=30)
    shop.wait(minutes=2)
    shop.wait(minutes=30)

    assert shop.gateway.payments[payment_id].state == "canceled"
    assert shop.tab.attempts == ()


def test_a_declined_phone_payment_whose_close_was_lost_can_still_be_paid(shop: Shop) -> None:
    """Declined once, the sheet is still the customer's: the attempt is not given up behind their back."""
    payment_id = paying_on_the_phone(shop)
    shop.gateway.decline(payment_id)
    shop.deliver_all()
    shop.gateway.fail(CLOSE, Fault.LOST_BEFORE)
    shop.wait(minutes=30)
    shop.wait(minutes=2)
    assert shop.attempt(Operation.CHARGE).state == AttemptState.AWAITING_CUSTOMER

    shop.gateway.confirm(payment_id)
    shop.deliver_all()

    assert shop.tab.status == Status.CLOSED
    assert shop.tab.paid_minor == 50_00


def test_a_phone_payment_that_was_never_made_is_not_made_without_the_customer(shop: Shop) -> None:
    """The call crashed before it left: given up, and the customer asks again."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_BEFORE)
    shop.crashing(lambda: pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)))

    shop.wait(minutes=2)

    assert shop.gateway.payments == {}
    assert shop.tab.attempts == ()


# The schedule


def test_an_index_that_lies_does_no_harm(shop: Shop) -> None:
    """Advancing a tab for which nothing is due changes nothing."""
    shop.open(*EVERYTHING).serve(10_00)
    before = shop.tab

    advance_tab(shop.deps, shop.tab)

    assert shop.tab == before


def test_nothing_is_looked_up_while_the_ladder_waits(shop: Shop) -> None:
    """Between two rungs the gateway is left alone."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_BEFORE)
    shop.accept_bill()

    shop.wait(minutes=1)

    assert FIND not in shop.gateway.calls


def test_items_after_a_check_in_do_not_meet_old_payments(shop: Shop) -> None:
    """A plain walk-in that never touches a card closes nothing and charges nothing by itself."""
    shop.open()
    add_items(
        shop.deps,
        shop.tab_id,
        [ItemInput(description="Cut", unit_price_minor=10_00)],
        request=shop.request(shop.staff),
    )

    assert shop.gateway.payments == {}
    assert shop.tab.next_action_at is None
