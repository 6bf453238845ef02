"""Transitions and permissions: every pair of action and status, and `allowed_actions` that work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product

import pytest

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import DomainError, Forbidden, TransitionRefused
from chalicelib.domain.tab.actions import ROLES, Action, allowed_actions, is_resolvable, refusal
from chalicelib.domain.tab.actor import SYSTEM, Actor, Role
from chalicelib.domain.tab.attempt import Failure, Operation
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands import bill, booking, followup, links, objecting, payment, sharing, telling, tiers
from chalicelib.domain.tab.commands.answering import send_evidence
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits, Origin
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.due_steps import conclude
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.status import TRANSITIONS, Status
from chalicelib.domain.tab.story import Place
from chalicelib.domain.tab.tab import Outcome, Tab
from chalicelib.domain.trust.story import Words
from chalicelib.domain.trust.tiers import Tier
from tests.unit.till import (
    ADA,
    ANSWER,
    CUSTOMER,
    EVERYTHING,
    NOON,
    OWNER,
    PACK,
    STAFF,
    TRY_LATER,
    WITH_CARD,
    WITHOUT_CARD,
    Till,
    acceptance,
)

TIERS = tuple(Tier(percent=percent, measure=f"at {percent}") for percent in (100, 80, 50))
STARTS: dict[str, Callable[[], Till]] = {
    "booked": lambda: Till.booked(deposit_minor=0),
    "booked and accepted": lambda: Till.booked().accept(*WITH_CARD, customer=CUSTOMER),
    "booked, deposit failed": lambda: (
        Till.booked().accept(*WITH_CARD, customer=CUSTOMER).declined(Operation.PLACE_HOLD)
    ),
    "booked, past the grace": lambda: (
        Till.booked(deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER).wait(hours=25)
    ),
    "open": Till,
    "open with items": lambda: Till().do(bill.add_items, [ItemInput(description="Service", unit_price_minor=50_00)]),
    "in review": lambda: Till().accept(*WITH_CARD, customer=CUSTOMER).serve(50_00),
    "in review, phone asked": lambda: Till().serve(50_00).do(payment.pay_on_phone, by=ADA).awaiting(Operation.CHARGE),
    "in review, held": lambda: (
        Till(deposit_minor=60_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00)
    ),
    "due": lambda: Till().accept(*WITHOUT_CARD).serve(50_00).wait(days=1),
    "due, charging": lambda: Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).wait(days=1),
    "due, declined": lambda: (
        Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).wait(days=1).declined(Operation.CHARGE)
    ),
    "due, to be tried again": lambda: (
        Till()
        .accept(*EVERYTHING, customer=CUSTOMER)
        .serve(50_00)
        .accept_bill(5_00)
        .declined(Operation.CHARGE, failure=TRY_LATER)
    ),
    "due, split": lambda: split(Till().serve(50_00).accept_bill()),
    "due, residue": lambda: Till().serve(30).accept_bill(),
    "due, partly paid in cash": lambda: Till().serve(50_00).accept_bill().do(payment.take_cash, 20_00),
    "in review, partly paid in cash": lambda: Till().serve(50_00).do(payment.take_cash, 20_00),
    "in review again, with a tip": lambda: (
        Till()
        .accept(*EVERYTHING, customer=CUSTOMER)
        .serve(50_00)
        .accept_bill(5_00)
        .do(bill.contest, "too short", None, by=ADA)
        .charged()
        .do(bill.resolve, Resolution.ADJUST, 10_00, "so")
    ),
    "in review, forgiven, hold to be released": lambda: (
        Till(deposit_minor=60_00).accept(*EVERYTHING, customer=CUSTOMER).hold_placed().serve(50_00).do(bill.waive, "so")
    ),
    "in review, the outcome not chosen yet": lambda: (
        Till(tiers=TIERS, silence_percent=50).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    ),
    "in review, an outcome chosen": lambda: (
        Till(tiers=TIERS, silence_percent=50).serve(50_00).do(tiers.choose_tier, 100, by=ADA)
    ),
    "due, the outcome contested": lambda: (
        Till(tiers=TIERS, silence_percent=80).serve(50_00).wait(days=1).do(bill.contest, "late", None, 50, by=ADA)
    ),
    "contested": lambda: Till().serve(50_00).do(bill.contest, "too short", 20_00, by=ADA),
    "contested, charge under way": lambda: (
        Till()
        .accept(*EVERYTHING, customer=CUSTOMER)
        .serve(50_00)
        .wait(days=1)
        .do(bill.contest, "too short", None, by=ADA)
    ),
    "contested, partly forgiven": lambda: (
        Till(deposit_minor=60_00)
        .accept(*EVERYTHING, customer=CUSTOMER)
        .hold_placed()
        .serve(50_00)
        .do(payment.take_cash, 20_00)
        .do(bill.waive, "so")
        .do(bill.contest, "all of it", None, by=ADA)
    ),
    "no-show, fee due": lambda: (
        Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=25).do(booking.mark_no_show)
    ),
    "no-show, fee taken": lambda: (
        Till.booked(deposit_minor=0)
        .accept(*WITH_CARD, customer=CUSTOMER)
        .wait(hours=25)
        .do(booking.mark_no_show)
        .wait(days=1)
        .charged()
    ),
    "no-show, objected to": lambda: (
        Till.booked(deposit_minor=0)
        .accept(*WITHOUT_CARD)
        .wait(hours=25)
        .do(booking.mark_no_show)
        .do(objecting.object_to, "I was there", by=ADA)
    ),
    "canceled, fee due": lambda: (
        Till.booked(deposit_minor=0).accept(*WITHOUT_CARD).wait(hours=2).do(booking.cancel, "ill", by=ADA)
    ),
    "closed": lambda: Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(),
    "closed, cash owed back": lambda: Till().serve(50_00).do(payment.take_cash, 50_00).do(bill.adjust, 20_00, "so"),
    "closed, in cash": lambda: Till().serve(50_00).do(payment.take_cash, 50_00),
    "closed, tip on the phone": lambda: (
        Till().serve(50_00).do(payment.take_cash, 50_00).do(payment.tip, 5_00, by=ADA).awaiting(Operation.CHARGE)
    ),
    "closed, disputed": lambda: dispute(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), FactKind.DISPUTE_OPENED
    ),
    "closed, disputed, answer awaited": lambda: dispute(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(),
        FactKind.DISPUTE_OPENED,
        respond_by=NOON + timedelta(days=9),
    ),
    "closed, dispute lost": lambda: dispute(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), FactKind.DISPUTE_LOST
    ),
    "closed, refund pending": lambda: (
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged().do(payment.refund, 20_00, "so")
    ),
    "closed, refund failed": lambda: refund_failed(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged().do(payment.refund, 20_00, "so")
    ),
    "closed, a part lost to a bank": lambda: dispute(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), FactKind.DISPUTE_LOST, 20_00
    ),
    "closed, an inquiry": lambda: dispute(
        Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), FactKind.INQUIRY_OPENED
    ),
    "closed, a stranger's dispute": lambda: (
        Till().serve(50_00).do(payment.take_cash, 50_00).disputed(FactKind.DISPUTE_OPENED, payment_id="pi_stranger")
    ),
    "written off": lambda: Till().serve(50_00).wait(days=1).do(bill.write_off, "gone", by=OWNER),
}


def split(till: Till) -> Till:
    return till.do(sharing.split, Parts(equally=2), USUAL_TIME, lambda share_id: f"{share_id:0>64}")


def dispute(till: Till, kind: FactKind, amount_minor: int = 50_00, *, respond_by: datetime | None = None) -> Till:
    return till.hear(till.fact(kind, "dp_1", amount_minor, payment_id="pi_charge", respond_by=respond_by))


def refund_failed(till: Till) -> Till:
    return till.hear(
        till.fact(
            FactKind.REFUND_FAILED,
            "re_1",
            till.open(Operation.REFUND).amount_minor,
            attempt_id=till.open(Operation.REFUND).attempt_id,
            payment_id="pi_charge",
            failure=Failure(code="expired_or_canceled_card"),
        )
    )


def resolvable(tab: Tab) -> str:
    return next((flag.flag_id for flag in tab.flags if is_resolvable(flag)), "flg_none")


HERE = Origin(ip="192.0.2.1", user_agent="phone")
ROLE_ACTORS = [STAFF, OWNER, ADA, SYSTEM, Actor(subject="root", role=Role.OPERATOR)]


STORY = Words(text="It was in time.", name="", language=Language.ENGLISH, places=(Place.FEED,))


def _act(draft: Draft, action: Action) -> None:
    tab = draft.tab
    acts: dict[Action, Callable[[], None]] = {
        Action.ACCEPT_PROMISE: lambda: booking.accept_promise(draft, acceptance(tab, *EVERYTHING), CUSTOMER),
        Action.PROPOSE_PROMISE: lambda: booking.propose_promise(draft, Limits(cap_minor=300_00)),
        Action.SAVE_CARD: lambda: require(draft, action),
        Action.CHECK_IN: lambda: booking.check_in(draft),
        Action.ADD_ITEMS: lambda: bill.add_items(draft, [ItemInput(description="x", unit_price_minor=1)]),
        Action.VOID_ITEM: lambda: bill.void_item(draft, tab.items[0].item_id if tab.items else "itm_none"),
        Action.COMPLETE: lambda: bill.complete(draft),
        Action.AMEND: lambda: bill.amend(draft),
        Action.ACCEPT_BILL: lambda: bill.accept_bill(draft, 0),
        Action.CHOOSE_TIER: lambda: tiers.choose_tier(draft, 80),
        Action.CONTEST: lambda: bill.contest(draft, "so", None),
        Action.RESOLVE: lambda: bill.resolve(draft, Resolution.UPHOLD, None, "so"),
        Action.PAY_ON_PHONE: lambda: payment.pay_on_phone(draft),
        Action.CHARGE_SAVED_CARD: lambda: payment.charge_saved_card(draft),
        Action.TAKE_CASH: lambda: payment.take_cash(draft, 1),
        Action.RETURN_CASH: lambda: payment.return_cash(draft, 1),
        Action.TIP: lambda: payment.tip(draft, 5_00),
        Action.ANNOUNCE_CASH: lambda: payment.announce_cash(draft),
        Action.SPLIT: lambda: sharing.split(draft, Parts(equally=2), USUAL_TIME, lambda share_id: f"{share_id:0>64}"),
        Action.UNSPLIT: lambda: sharing.unsplit(draft, []),
        Action.RATE: lambda: bill.rate(draft, Feedback(rating=4)),
        Action.DISOWN: lambda: links.disown(draft),
        Action.ADJUST: lambda: bill.adjust(draft, 1, "so"),
        Action.REFUND: lambda: payment.refund(draft, None, "so"),
        Action.CANCEL: lambda: booking.cancel(draft, "so"),
        Action.RESCHEDULE: lambda: booking.reschedule(draft, NOON + timedelta(days=9), HERE),
        Action.WALK_OUT: lambda: bill.walk_out(draft),
        Action.NO_SHOW: lambda: booking.mark_no_show(draft),
        Action.WAIVE: lambda: bill.waive(draft, "so"),
        Action.WRITE_OFF: lambda: bill.write_off(draft, "so"),
        Action.RETRY_REFUND: lambda: payment.retry_refund(draft),
        Action.REFUND_ELSEWHERE: lambda: payment.refund_elsewhere(draft, 1, RefundMeans.CASH, "receipt 7"),
        Action.RESOLVE_FLAG: lambda: payment.resolve_flag(draft, resolvable(tab), "looked at it"),
        Action.PAUSE_FOLLOWUP: lambda: followup.pause_followup(draft, "so", None),
        Action.RESUME_FOLLOWUP: lambda: followup.resume_followup(draft),
        Action.SEND_REMINDER: lambda: followup.send_reminder(draft),
        Action.OBJECT: lambda: objecting.object_to(draft, "I was there"),
        Action.DECIDE_OBJECTION: lambda: objecting.decide(draft, Decision.UPHOLD, "so you were"),
        Action.STAGE_EVIDENCE: lambda: send_evidence(draft, Operation.STAGE_EVIDENCE, PACK, PACK.sha256, ANSWER),
        Action.SUBMIT_EVIDENCE: lambda: send_evidence(draft, Operation.SUBMIT_EVIDENCE, PACK, PACK.sha256, ANSWER),
        Action.TELL_STORY: lambda: telling.tell(draft, STORY),
        Action.WITHDRAW_STORY: lambda: telling.withdraw(draft),
    }
    acts[action]()


@pytest.mark.parametrize("by", ROLE_ACTORS, ids=lambda by: by.role)
@pytest.mark.parametrize("start", STARTS)
def test_what_a_screen_offers_works_and_nothing_else_does(start: str, by: Actor) -> None:
    """Each command is carried out exactly where allowed_actions has it; refused, it leaves the draft as it was."""
    till = STARTS[start]()
    offered = allowed_actions(till.tab, by, till.now)

    for action in Action:
        if action == Action.VOID_ITEM and not till.tab.items:
            continue
        draft = till.draft(by)
        if action in offered:
            _act(draft, action)
            if draft.tab.taking_attempt == till.tab.taking_attempt or till.tab.taking_attempt is None:
                conclude(draft)  # Which checks the books.
            continue
        with pytest.raises(DomainError):
            _act(draft, action)
        assert draft.is_empty


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_each_action_has_its_roles(action: Action, role: Role) -> None:
    """Whoever may not do a thing at all is told so, whatever the tab's state."""
    till = Till()

    refused = refusal(till.tab, action, Actor(subject="x", role=role), till.now)

    assert isinstance(refused, Forbidden) == (role not in ROLES[action])
    assert role not in (Role.OPERATOR, Role.SYSTEM) or isinstance(refused, Forbidden)


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_a_change_of_status_is_in_the_table_or_refused(before: Status, after: Status) -> None:
    """Every pair of the table by the name of its command, and by no other; every other pair by none."""
    names = {name for text in TRANSITIONS.values() for name in text.split(", ")}
    by_table = set(TRANSITIONS.get((before, after), "").split(", ")) - {""}

    moved = set()
    for name in names:
        draft = Till().draft()
        draft.update(status=before)
        try:
            draft.move_to(after, name)
        except TransitionRefused:
            assert draft.tab.status == before
        else:
            moved.add(name)

    assert moved == by_table


def test_the_table_is_the_designs() -> None:
    """Design §4, line by line."""
    assert {(str(before), str(after)) for before, after in TRANSITIONS} == {
        ("booked", "open"),
        ("booked", "canceled"),
        ("booked", "no_show"),
        ("no_show", "open"),
        ("open", "in_review"),
        ("open", "canceled"),
        ("in_review", "open"),
        ("in_review", "due"),
        ("in_review", "contested"),
        ("due", "contested"),
        ("contested", "in_review"),
        ("contested", "due"),
        ("in_review", "closed"),
        ("due", "closed"),
        ("no_show", "contested"),
        ("canceled", "contested"),
        ("contested", "no_show"),
        ("contested", "canceled"),
        ("canceled", "closed"),
        ("no_show", "closed"),
    }


def test_a_booking_becomes_a_service_and_a_bill() -> None:
    """booked, open, in review, due, closed."""
    seen = []
    till = Till.booked(deposit_minor=0).accept(*WITH_CARD, customer=CUSTOMER)
    seen.append(till.tab.status)
    seen.append(till.do(booking.check_in).tab.status)
    seen.append(till.serve(50_00).tab.status)
    seen.append(till.accept_bill().tab.status)
    seen.append(till.charged().tab.status)

    assert seen == [Status.BOOKED, Status.OPEN, Status.IN_REVIEW, Status.DUE, Status.CLOSED]


def test_a_no_show_needs_the_grace_to_pass() -> None:
    """A quarter of an hour after the start, and not a second before."""
    till = Till.booked(in_hours=24, deposit_minor=0).accept(*WITHOUT_CARD)
    till.wait(hours=24, minutes=14, seconds=59)
    with pytest.raises(TransitionRefused, match="still has time"):
        till.do(booking.mark_no_show)

    till.wait(seconds=1).do(booking.mark_no_show)

    assert till.tab.status == Status.NO_SHOW


def test_an_open_tab_is_canceled_only_without_items() -> None:
    """Void them first: then nothing is owed and the tab closes."""
    till = Till().do(bill.add_items, [ItemInput(description="Service", unit_price_minor=50_00)])
    with pytest.raises(TransitionRefused, match="Void"):
        till.do(booking.cancel, "so")

    till.do(bill.void_item, till.tab.items[0].item_id).do(booking.cancel, "so")

    assert (till.tab.status, till.tab.outcome) == (Status.CLOSED, Outcome.CANCELED)


def test_voiding_twice_changes_nothing() -> None:
    """The line counts nothing already."""
    till = Till().do(bill.add_items, [ItemInput(description="Service", unit_price_minor=50_00)])
    till.do(bill.void_item, till.tab.items[0].item_id)
    draft = till.draft()

    bill.void_item(draft, till.tab.items[0].item_id)

    assert draft.is_empty
