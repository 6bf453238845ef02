"""Outcomes from answers, webhooks and lookups: applied once, and looked up before a call is repeated."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import IdempotencyMismatch, PaymentInProgress, StaleVersion
from chalicelib.domain.news.message import Message, MessageKind, Recipient, message_id
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.facts.attempt_outcomes import LADDER
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import EventAlreadySeen, FactsAlreadyApplied, SeenEvent
from chalicelib.usecases.tab.attempts import CALLS, REPLAY_HORIZON, outcome_of, record_outcome, run
from chalicelib.usecases.tab.bill import contest_bill
from chalicelib.usecases.tab.booking import open_tab
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone
from tests.schedule import Ran
from tests.unit.till import terms
from tests.usecases.fake_gateway import CLOSE, FIND, Fault
from tests.usecases.shop import NOON, WITH_CARD, WITHOUT_CARD, Shop
from tests.usecases.test_events import add_event


def charging(shop: Shop, fault: Fault = Fault.LOST_AFTER) -> Attempt:
    """Fifty are charged to the card; the answer is lost, or what `fault` says."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, fault)
    shop.accept_bill()
    return shop.attempt(Operation.CHARGE)


def charged(shop: Shop, payment_id: str, amount_minor: int = 50_00) -> Fact:
    return Fact(kind=FactKind.CHARGED, object_id=payment_id, at=NOON, amount_minor=amount_minor)


# Read again, applied once


def test_a_request_that_came_twice_at_once_is_answered_twice_and_done_once(shop: Shop) -> None:
    """Both have looked, and seen no record; the store tells the second, and for another body it is refused."""
    shop.open(*WITH_CARD).serve(50_00)
    before = shop.tab
    first = shop.accept_bill(key="tap", body="same")
    shop.store.get_tab_and_record = lambda *asked: (before, None)  # type: ignore[method-assign]

    again = shop.accept_bill(key="tap", body="same")

    assert again.replayed
    assert (again.tab, again.attempt) == (shop.tab, first.attempt)
    assert len(shop.gateway.payments) == 1
    with pytest.raises(IdempotencyMismatch):
        shop.accept_bill(key="tap", body="other")


def test_a_tab_that_was_opened_twice_at_once_is_one(shop: Shop) -> None:
    """The same, for a tab that neither has found."""
    request = shop.request(shop.staff)
    first = open_tab(shop.deps, shop.customer_id, terms(), request=request)
    look = shop.store.get_parties_and_record
    shop.store.get_parties_and_record = lambda *asked: (*look(*asked)[:2], None)  # type: ignore[method-assign]

    again = open_tab(shop.deps, shop.customer_id, terms(), request=request)

    assert (again.tab, again.replayed) == (first.tab, True)


def test_facts_on_record_are_passed_over_one_by_one(shop: Shop) -> None:
    """Two of three are known to the store and not to the tab that was read: only the third posts."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    facts = [charged(shop, f"pi_{name}", 10_00) for name in "abc"]
    known: list[list[str]] = [[facts[0].key or ""], [facts[1].key or ""]]
    commit = shop.store.commit

    def refusing(change: Change, **rest: Any) -> Tab:
        if known:
            raise FactsAlreadyApplied(known.pop(0))
        return commit(change, **rest)

    shop.store.commit = refusing  # type: ignore[method-assign]

    tab, _ = record_outcome(shop.deps, shop.tab, outcome_of(facts))

    assert [leg.payment_id for leg in tab.legs] == ["pi_c"]


def test_an_event_that_somebody_else_has_just_brought_in_changes_nothing(shop: Shop) -> None:
    """The tab as they left it is what goes on."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    event = SeenEvent(account=None, event_id="evt_1")
    before = shop.tab
    record_outcome(shop.deps, before, outcome_of([charged(shop, "pi_a", 20_00)]), event=event)

    tab, begun = record_outcome(shop.deps, before, outcome_of([charged(shop, "pi_b", 20_00)]), event=event)

    assert (tab, begun) == (shop.tab, ())
    assert [leg.payment_id for leg in tab.legs] == ["pi_a"]


def test_an_event_that_changes_nothing_is_remembered_all_the_same(shop: Shop) -> None:
    """Next time it is not read at all."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    event = SeenEvent(account="acct_1", event_id="evt_1")

    tab, begun = record_outcome(shop.deps, shop.tab, lambda draft: None, event=event)

    assert (tab, begun) == (shop.tab, ())
    assert shop.store.find_for_event(event).is_seen
    with pytest.raises(EventAlreadySeen):
        shop.store.commit(note(shop), event=event)


def note(shop: Shop) -> Change:
    """Somebody else's change, of no importance."""
    draft = Draft(shop.tab, now=shop.clock.now(), by=SYSTEM, new_id=shop.deps.ids.new)
    draft.record("note")
    change = due_steps.conclude(draft)
    assert change is not None
    return change


# Looked for before anything is repeated


def test_what_left_no_trace_is_made_again_under_its_key_while_the_key_is_known(shop: Shop) -> None:
    """An hour before the gateway may forget it is the last time."""
    attempt = charging(shop, Fault.LOST_BEFORE)
    shop.gateway.is_down = True
    shop.clock.instant = attempt.created_at + REPLAY_HORIZON - timedelta(seconds=1)
    shop.gateway.is_down = False

    shop.wait()

    assert shop.gateway.calls.count(Operation.CHARGE) == 2
    assert shop.tab.status == Status.CLOSED
    assert [leg.attempt_id for leg in shop.tab.legs] == [attempt.attempt_id]


def test_a_key_that_may_be_forgotten_is_given_up_for_a_new_one(shop: Shop) -> None:
    """To the second; what is still owed gets an attempt of its own."""
    attempt = charging(shop, Fault.LOST_BEFORE)
    shop.clock.instant = attempt.created_at + REPLAY_HORIZON

    shop.wait()

    assert shop.tab.status == Status.CLOSED
    assert [leg.attempt_id == attempt.attempt_id for leg in shop.tab.legs] == [False]
    given_up = shop.store.find_attempt(shop.merchant_id, shop.tab_id, attempt.attempt_id)
    assert given_up is not None
    assert given_up.state == AttemptState.ABANDONED


def test_a_call_is_made_as_often_as_the_ladder_has_rungs_and_one_more(shop: Shop) -> None:
    """Then it is given up, and a person told."""
    attempt = charging(shop, Fault.LOST_BEFORE)
    shop.gateway.fail(Operation.CHARGE, *[Fault.LOST_BEFORE] * 20)

    for rung in LADDER[:-1]:
        shop.wait(seconds=rung.total_seconds())
        assert shop.attempt(Operation.CHARGE).attempt_id == attempt.attempt_id
    shop.wait(hours=1)

    assert shop.store.find_attempt(shop.merchant_id, shop.tab_id, attempt.attempt_id) is not None
    made = [asked.attempt_id for _, asked in shop.gateway.asked if asked.operation == Operation.CHARGE]
    assert made.count(attempt.attempt_id) == len(LADDER)
    assert shop.tab.flags


def test_what_the_tab_no_longer_wants_is_not_made_again(shop: Shop) -> None:
    """Contested meanwhile: there is no trace of the charge, and there will be none."""
    charging(shop, Fault.LOST_BEFORE)
    contest_bill(shop.deps, shop.tab_id, "cold", None, request=shop.request(shop.ada))

    shop.wait(minutes=2)

    assert shop.gateway.calls.count(Operation.CHARGE) == 1
    assert shop.gateway.payments == {}
    assert shop.tab.attempts == ()


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.REJECTED])
def test_a_look_that_fails_is_no_trace_and_no_absence(shop: Shop, fault: Fault) -> None:
    """It is unknown as before, one rung further; nothing is repeated on such ground."""
    charging(shop)
    shop.gateway.fail(FIND, fault)

    shop.wait(minutes=2)

    attempt = shop.attempt(Operation.CHARGE)
    assert (attempt.state, attempt.checks) == (AttemptState.UNKNOWN, 2)
    assert attempt.check_at == shop.clock.instant + LADDER[1]
    assert shop.gateway.calls.count(Operation.CHARGE) == 1


def test_an_answer_that_says_nothing_new_is_unknown(shop: Shop) -> None:
    """Facts that leave the attempt as it was are no outcome: it is asked for again."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.perform = lambda tab, attempt: ()  # type: ignore[method-assign]

    shop.accept_bill()

    attempt = shop.attempt(Operation.CHARGE)
    assert (attempt.state, attempt.checks) == (AttemptState.UNKNOWN, 1)
    assert attempt.check_at == shop.clock.instant + LADDER[0]


def test_a_trace_that_is_no_outcome_does_not_stop_the_call(shop: Shop) -> None:
    """The hold is still there as it was, so its capture is made again, under its key."""
    shop.open(*WITH_CARD, deposit_minor=20_00).serve(20_00)
    shop.gateway.fail(Operation.CAPTURE, Fault.LOST_BEFORE)
    shop.accept_bill()
    attempt = shop.attempt(Operation.CAPTURE)
    (hold,) = shop.tab.holds
    placed = Fact(
        kind=FactKind.HOLD_PLACED, object_id=hold.payment_id, at=NOON, amount_minor=20_00,
        capture_before=hold.capture_before,
    )  # fmt: skip
    shop.gateway.find_facts = lambda tab, attempt: (placed,)  # type: ignore[method-assign]

    shop.wait(minutes=2)

    assert [asked.attempt_id for _, asked in shop.gateway.asked[-2:]] == [attempt.attempt_id] * 2
    assert shop.tab.status == Status.CLOSED
    shop.check_books()


def test_one_time_out_is_enough_for_one_request(shop: Shop) -> None:
    """What is to be asked after it is left to the next sweep: the caller has waited long enough."""
    shop.open(*WITHOUT_CARD, deposit_minor=20_00)
    shop.gateway.confirm(shop.attempt(Operation.PLACE_HOLD).payment_id or "")
    shop.deliver_all()
    shop.clock.instant += timedelta(hours=1)
    first = charging(shop)
    assert first.state == AttemptState.UNKNOWN
    shop.gateway.is_down = True
    calls = len(shop.gateway.calls)

    shop.wait(minutes=2)

    assert shop.gateway.calls[calls:] == [FIND]
    assert shop.attempt(Operation.CHARGE).check_at == shop.clock.instant + LADDER[1]


@pytest.mark.parametrize(("ahead", "is_made"), [(CALLS - 1, True), (CALLS, False)])
def test_what_is_left_after_twenty_rounds_is_left_to_the_next_sweep(shop: Shop, ahead: int, is_made: bool) -> None:
    """One request does not work off a queue of any length; nothing is forgotten, for the agenda has it."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_BEFORE)
    shop.crashing(shop.accept_bill)
    attempt = shop.attempt(Operation.CHARGE)
    gone = replace(attempt, attempt_id="att_gone")

    tab = run(shop.deps, shop.tab, [*[gone] * ahead, attempt])

    assert (tab.status == Status.CLOSED) == is_made
    shop.wait(minutes=2)
    assert shop.tab.status == Status.CLOSED


def test_an_attempt_whose_outcome_came_meanwhile_is_not_performed(shop: Shop) -> None:
    """A webhook was quicker than we are: the ones behind it in the queue are."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_AFTER)
    shop.crashing(shop.accept_bill)
    attempt = shop.attempt(Operation.CHARGE)
    gone = replace(attempt, attempt_id="att_gone")
    calls = len(shop.gateway.calls)

    tab = run(shop.deps, shop.tab, [gone, attempt])

    assert shop.gateway.calls[calls:] == [Operation.CHARGE]
    assert tab.status == Status.CLOSED
    assert run(shop.deps, tab, [attempt]) == tab


# What stands in the way of a change


@pytest.mark.parametrize(
    ("state", "fault", "told"),
    [
        ("paid", None, AttemptState.SUCCEEDED),
        ("processing", None, AttemptState.UNKNOWN),
        ("waiting", Fault.LOST_AFTER, AttemptState.UNKNOWN),
    ],
)
def test_the_payment_in_the_way_is_named_with_its_state(
    shop: Shop, state: str, fault: Fault | None, told: AttemptState
) -> None:
    """So that an app can ask for it again."""
    shop.open(*WITH_CARD).serve(50_00)
    waiting = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)).attempt
    assert waiting is not None
    if state == "paid":
        shop.gateway.confirm(waiting.payment_id or "")
    shop.gateway.payments[waiting.payment_id or ""].state = state
    if fault:
        shop.gateway.fail(CLOSE, fault)

    with pytest.raises(PaymentInProgress) as refused:
        shop.accept_bill(5_00)

    assert refused.value.context == {"attempt_id": waiting.attempt_id, "attempt_state": told}


def test_a_change_that_named_its_version_is_refused_once_somebody_else_has_written(shop: Shop) -> None:
    """Closing the sheet moved the tab on, and is ours; what a colleague writes right after that is not."""
    shop.open(*WITH_CARD).serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    version = shop.tab.version
    get = shop.store.get_tab_and_record

    def after_the_closing(*asked: Any) -> Any:
        if shop.tab.attempts == ():
            shop.store.get_tab_and_record = get  # type: ignore[method-assign]
            shop.store.commit(note(shop))
        return get(*asked)

    shop.store.get_tab_and_record = after_the_closing  # type: ignore[method-assign]

    with pytest.raises(StaleVersion):
        shop.accept_bill(version=version)

    assert shop.tab.status == Status.IN_REVIEW


# Receipts


def test_a_receipt_follows_from_the_payment_and_another_from_the_tip(shop: Shop) -> None:
    """Each from its own entry; the tab says which is the last."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.accept_bill()

    (receipt,) = [message for message in shop.messages if message.kind == MessageKind.RECEIPT]
    entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=100, cursor=None).items
    closed = next(entry for entry in entries if entry.kind == "closed")
    assert receipt == Message(
        message_id=message_id(shop.tab_id, closed.seq, MessageKind.RECEIPT, Recipient.CUSTOMER),
        kind=MessageKind.RECEIPT,
        to=Recipient.CUSTOMER,
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        tab_id=shop.tab_id,
        seq=closed.seq,
        at=shop.clock.instant,
        values={"receipt_minor": 50_00},
    )
    assert (shop.tab.receipt_seq, shop.tab.next_action_at) == (closed.seq, None)

    tip = give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada)).attempt
    assert tip is not None
    shop.gateway.confirm(tip.payment_id or "")
    shop.deliver_all()
    assert shop.messages[-1].values == {"receipt_minor": 55_00}
    assert shop.messages[-1].seq == shop.tab.receipt_seq > closed.seq


# Events


def test_an_event_of_a_connected_account_is_another_one() -> None:
    """The same id in two accounts is two events; and what is known of an object is known in its account."""
    shop = Shop(account="acct_1")
    shop.open(*WITHOUT_CARD).serve(50_00)

    assert shop.deliver(add_event(shop, charged(shop, "pi_a", 20_00), account="acct_2")) == "misplaced"
    assert shop.deliver(add_event(shop, charged(shop, "pi_b", 20_00), account="acct_1")) == "handled"
    assert shop.deliver(add_event(shop, charged(shop, "pi_c", 20_00), account="acct_1")) == "seen"
    assert [leg.payment_id for leg in shop.tab.legs] == ["pi_b"]

    refund = Fact(kind=FactKind.REFUNDED, object_id="re_1", at=NOON, amount_minor=5_00, payment_id="pi_b")
    stranger = {"ours": False, "merchant_id": None, "tab_id": None, "object_id": "re_1", "payment_id": "pi_b"}
    assert shop.deliver(add_event(shop, refund, event_id="evt_y", account="acct_9", **stranger)) == "ignored"
    assert shop.tab.paid_minor == 20_00


def test_what_nobody_claims_is_ignored_whatever_ids_it_carries(shop: Shop) -> None:
    """Another app's metadata may have a merchant in it too."""
    shop.open(*WITHOUT_CARD).serve(50_00)

    answer = shop.deliver(add_event(shop, charged(shop, "pi_a"), ours=False, tab_id=shop.tab_id, payment_id=None))

    assert answer == "ignored"
    assert shop.tab.legs == ()


def test_a_card_saved_by_setup_is_kept_though_the_customer_was_being_changed(shop: Shop) -> None:
    """Read again and written on top; heard again, it changes nothing; and no tab is needed for it."""
    card = Card(card_id="pm_new", brand="visa", last4="1111", saved_at=NOON)
    fact = Fact(kind=FactKind.CARD_SAVED, object_id="seti_1", at=NOON, card=card)
    update_customer = shop.store.update_customer

    def racing(customer: Any, **rest: Any) -> None:
        shop.store.update_customer = update_customer  # type: ignore[method-assign]
        stored = shop.store.get_customer(shop.merchant_id, shop.customer_id)
        update_customer(replace(stored, reference="Ada L.", version=stored.version + 1))
        update_customer(customer, **rest)

    shop.store.update_customer = racing  # type: ignore[method-assign]
    about = {"tab_id": None, "customer_id": shop.customer_id, "payment_id": None}

    assert shop.deliver(add_event(shop, fact, **about)) == "handled"
    assert shop.deliver(add_event(shop, fact, **about)) == "seen"
    assert shop.deliver(add_event(shop, fact, event_id="evt_y", **about)) == "handled"

    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
    assert (customer.card, customer.reference, customer.version) == (card, "Ada L.", 4)


# The sweep, and what a person finds in the log


def test_a_sweep_counts_what_it_advanced_and_how_late_it_was(shop: Shop) -> None:
    """The one that had waited longest."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    shop.clock.instant += timedelta(hours=1)
    shop.open(*WITHOUT_CARD).serve(50_00)

    assert shop.wait(hours=23, seconds=7) == Ran(advanced=1, failed=0, lag_s=7.0)
    assert shop.wait(seconds=0) == Ran(advanced=0, failed=0, lag_s=0.0)
    assert shop.wait(hours=1) == Ran(advanced=1, failed=0, lag_s=7.0)


@pytest.mark.parametrize(
    ("call", "fault", "level"),
    [
        (Operation.CHARGE, Fault.LOST_AFTER, logging.WARNING),
        (Operation.CHARGE, Fault.REJECTED, logging.ERROR),
        (FIND, Fault.LOST_BEFORE, logging.WARNING),
        (CLOSE, Fault.LOST_BEFORE, logging.WARNING),
    ],
)
def test_a_call_that_fails_is_logged_with_the_tab_and_the_attempt(
    shop: Shop, caplog: pytest.LogCaptureFixture, call: str, fault: Fault, level: int
) -> None:
    """As fields, for whoever looks for them; what was not answered is counted."""
    shop.open(*WITH_CARD).serve(50_00)
    if call == CLOSE:
        attempt_id = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)).attempt.attempt_id  # type: ignore[union-attr]
        shop.gateway.fail(call, fault)
        shop.wait(minutes=30)
    elif call == FIND:
        shop.gateway.fail(Operation.CHARGE, Fault.LOST_BEFORE)
        shop.accept_bill()
        attempt_id = shop.attempt(Operation.CHARGE).attempt_id
        caplog.clear()
        shop.gateway.fail(call, fault)
        shop.wait(minutes=2)
    else:
        shop.gateway.fail(call, fault)
        answer = shop.accept_bill()
        assert answer.attempt is not None
        attempt_id = answer.attempt.attempt_id

    failed = [record for record in caplog.records if record.levelno >= logging.WARNING]
    (line,) = [record for record in failed if "attempt_id" in vars(record)]

    assert line.levelno == level
    assert (vars(line)["tab_id"], vars(line)["attempt_id"]) == (shop.tab_id, attempt_id)
    if fault != Fault.REJECTED:
        assert vars(line)["metrics"] == {"PaymentsUnanswered": 1}
