"""Drafts: what one transaction writes, and that a broken change is never sealed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, Posting
from chalicelib.domain.errors import TransitionRefused
from chalicelib.domain.news.message import Message, MessageKind, Recipient, message_id
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.adjust import lower_bill
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.draft import Change, Draft, check_invariants
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import HoldState
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, MERCHANT, NOON, STAFF, WITHOUT_CARD, Till, terms


def held() -> Till:
    return Till(deposit_minor=20_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()


def conclude(till: Till, draft: Draft) -> Change:
    change = due_steps.conclude(draft)
    assert change is not None
    return change


# What is written


def test_a_new_tab_is_version_one_of_nothing() -> None:
    """Under an id of its own; its first entry is the first."""
    till = Till()
    draft = booking.open_tab(MERCHANT, CUSTOMER, terms(), now=NOON, by=STAFF, new_id=till.new_id)

    change = conclude(till, draft)

    assert (change.base_version, change.tab.version) == (0, 1)
    assert change.tab.tab_id.startswith("tab_")
    assert change.tab.change_id.startswith("chg_")
    assert change.tab.updated_at == change.tab.opened_at == NOON
    assert [(entry.seq, entry.at, entry.by, entry.kind) for entry in change.entries] == [(1, NOON, "sam", "opened")]
    assert change.tab.entry_count == 1


def test_a_sum_that_was_read_is_neither_copied_nor_stored() -> None:
    """A tab keeps its total once that was asked for. What is made of the tab counts its own."""
    tab = held().serve(50_00).tab
    assert tab.total_minor == 50_00

    lowered = replace(tab, adjusted_minor=20_00)

    assert (lowered.total_minor, tab.total_minor) == (30_00, 50_00)
    assert msgspec.json.decode(msgspec.json.encode(tab), type=Tab) == tab == replace(tab)
    assert b"total_minor" not in msgspec.json.encode(tab)


def test_a_change_has_everything_that_goes_into_one_transaction() -> None:
    """Entries numbered on, the attempt that was begun, the one that ended, the facts, the objects, the messages."""
    till = held().serve(50_00)
    till.now += timedelta(minutes=5)
    before = till.tab
    draft = till.draft(ADA)
    bill.accept_bill(draft, 0)

    change = conclude(till, draft)

    assert (change.base_version, change.tab.version) == (before.version, before.version + 1)
    assert change.tab.updated_at == till.now
    assert [entry.seq for entry in change.entries] == [before.entry_count + 1 + n for n in range(len(change.entries))]
    (attempt,) = change.begun
    assert attempt == Attempt(
        attempt_id=attempt.attempt_id,
        operation=Operation.CAPTURE,
        amount_minor=20_00,
        created_at=till.now,
        by="ada",
        payment_id="pi_hold",
        check_at=till.now + timedelta(minutes=2),
    )
    assert attempt.attempt_id.startswith("att_")
    assert change.tab.next_action_at == attempt.check_at
    assert (change.closed_attempts, change.fact_keys, change.objects) == ((), (), ())


def test_a_fact_is_written_with_its_key_its_object_and_the_attempt_it_ends() -> None:
    """What ended keeps its outcome, and nothing that only an open one needs."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA)
    attempt = till.open(Operation.CHARGE)
    till.now += timedelta(minutes=1)
    draft = till.draft()
    from chalicelib.domain.tab.facts.apply import apply_fact

    apply_fact(draft, till.fact(FactKind.CHARGED, "pi_1", 50_00, attempt_id=attempt.attempt_id))

    change = conclude(till, draft)

    assert change.fact_keys == ("pi_1:charged:5000",)
    assert change.objects == (("pi_1", attempt.attempt_id),)
    assert change.closed_attempts == (replace(attempt, state=AttemptState.SUCCEEDED, check_at=None),)
    assert change.tab.attempts == ()
    assert change.begun == ()


def test_a_message_is_about_its_tab_and_for_its_people() -> None:
    """With an id made of its entry, by which a second one is told apart."""
    till = Till()

    till.serve(50_00)

    presented = next(entry for entry in till.entries if entry.kind == "bill_presented")
    assert till.messages == [
        Message(
            message_id=message_id(till.tab.tab_id, presented.seq, MessageKind.BILL_PRESENTED, Recipient.CUSTOMER),
            kind=MessageKind.BILL_PRESENTED,
            to=Recipient.CUSTOMER,
            merchant_id="mer_1",
            customer_id="cus_1",
            tab_id=till.tab.tab_id,
            seq=presented.seq,
            at=NOON,
            values={
                "total_minor": 50_00,
                "review_s": 86400,
                "after_review": "due",
                "whole_minor": None,
                "silence_percent": None,
            },
        )
    ]


def test_what_is_begun_and_confirmed_in_one_change_is_not_performed() -> None:
    """Only what is pending is to be performed next."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00)
    draft = till.draft(ADA)
    payment.pay_on_phone(draft)
    attempt = draft.tab.taking_attempt
    assert attempt is not None
    draft.update_attempt(attempt, state=AttemptState.AWAITING_CUSTOMER)

    assert conclude(till, draft).begun == ()


def test_an_empty_draft_is_no_change_unless_the_index_has_to_learn_of_one() -> None:
    """The stored next action is what the due index goes by."""
    till = Till().serve(50_00)
    assert due_steps.conclude(till.draft()) is None

    till.tab = replace(till.tab, next_action_at=None)
    change = conclude(till, till.draft())

    assert change.tab.next_action_at == NOON + timedelta(days=1)
    assert change.entries == ()


def test_the_status_moves_by_the_commands_of_the_table_only() -> None:
    """Whatever else is a bug of ours, and refused all the same."""
    draft = Till().draft()

    for status, command in ((Status.IN_REVIEW, "amend"), (Status.DUE, "complete"), (Status.IN_REVIEW, "")):
        with pytest.raises(TransitionRefused) as refused:
            draft.move_to(status, command)
        assert refused.value.context == {"status": Status.OPEN}

    draft.move_to(Status.IN_REVIEW, "complete")
    assert draft.tab.status == Status.IN_REVIEW


def test_one_attempt_takes_money_at_a_time() -> None:
    """A second one is a bug of ours, and not begun."""
    till = Till().accept(*WITHOUT_CARD).serve(50_00).do(payment.pay_on_phone, by=ADA)
    draft = till.draft()

    with pytest.raises(AssertionError):
        draft.begin(Operation.CHARGE, 1_00, check_at=NOON)

    assert draft.tab.attempts == till.tab.attempts


def test_a_bill_is_not_lowered_by_nothing_or_below_zero() -> None:
    """Who calls has checked it before; who has not is stopped."""
    for amount in (0, 50_01):
        with pytest.raises(AssertionError):
            lower_bill(Till().serve(50_00).draft(), amount, "bill_adjusted")


# What is never sealed


def broken(**fields: Any) -> Tab:
    """A paid tab with a hold that was captured, and this about it wrong."""
    till = held().serve(20_00).accept_bill().captured()
    assert till.tab.status == Status.CLOSED
    return replace(till.tab, **fields)


def _paid() -> Tab:
    return broken()


PAID = _paid()
BALANCES = dict(PAID.balances)
TAKING = Attempt(attempt_id="att_x", operation=Operation.CHARGE, amount_minor=1, created_at=NOON, by="sam")
(LEG,) = PAID.legs
(HOLD,) = PAID.holds

BROKEN: dict[str, dict[str, Any]] = {
    "the ledger sums to zero": {"balances": BALANCES | {Account.TIPS: 1}},
    "receivable = balance": {"balances": BALANCES | {Account.CUSTOMER_RECEIVABLE: 1, Account.TIPS: -1}},
    "refund payable = what is owed back": {"balances": BALANCES | {Account.REFUND_PAYABLE: -1, Account.TIPS: 1}},
    "total <= cap": {"promise": replace(PAID.promise, cap_minor=19_99)},
    "one attempt takes money": {"attempts": (TAKING, replace(TAKING, operation=Operation.CAPTURE))},
    "refunded <= taken, per leg": {"legs": (replace(LEG, refunds={"re_1": 20_01}),)},
    "amount due >= 0": {"waived_minor": 20_01},
    "a closed tab owes and is owed nothing": {"outcome": None, "tip_minor": 1},
    "captured <= held": {"holds": (replace(HOLD, amount_minor=19_99),)},
    "only a live hold is neither captured nor gone": {"holds": (replace(HOLD, state=HoldState.RELEASED),)},
}


@pytest.mark.parametrize(("rule", "fields"), BROKEN.items(), ids=BROKEN.keys())
def test_a_broken_tab_is_never_sealed(rule: str, fields: dict[str, Any]) -> None:
    """Which rule, of which tab, in which version."""
    tab = broken(**fields)

    with pytest.raises(AssertionError) as refused:
        check_invariants(tab)

    said, _, rules = str(refused.value).partition(": broken: ")
    assert said == f"{tab.tab_id} version {tab.version}"
    assert rule in rules.split("; ")


def test_at_its_limits_a_tab_is_whole() -> None:
    """As high as the cap, captured as much as was held, refunded all that was taken."""
    check_invariants(PAID)
    check_invariants(broken(promise=replace(PAID.promise, cap_minor=20_00)))
    check_invariants(broken(attempts=(TAKING,)))
    back = BALANCES | {Account.SERVICE_REVENUE: 0, Account.STRIPE_BALANCE: 0}
    check_invariants(broken(legs=(replace(LEG, refunds={"re_1": 20_00}),), adjusted_minor=20_00, balances=back))


def test_what_a_seal_finds_broken_is_not_written() -> None:
    """Postings that do not sum to zero are refused as they are made; a sum that went wrong, when it is sealed."""
    till = Till().serve(50_00)
    draft = till.draft()
    with pytest.raises(AssertionError):
        draft.record("nonsense", postings=(Posting(Account.TIPS, 1),))

    draft.update(waived_minor=50_01)
    with pytest.raises(AssertionError):
        draft.seal(None)


def test_an_entry_is_what_it_was_given() -> None:
    """Its details and postings, the instant and the name of who acts."""
    till = Till()
    till.now += timedelta(hours=1)
    draft = till.draft(ADA)

    draft.record("note", postings=(Posting(Account.TIPS, 1), Posting(Account.CASH, -1)), about="x")

    assert draft.entries == [
        Entry(
            seq=till.tab.entry_count + 1,
            at=till.now,
            kind="note",
            by="ada",
            details={"about": "x"},
            version=till.tab.version + 1,
            postings=(Posting(Account.TIPS, 1), Posting(Account.CASH, -1)),
        )
    ]
