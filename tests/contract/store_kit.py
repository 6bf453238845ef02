"""Helpers of the store tests: tabs and changes made by the domain, and the records beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from moto import mock_aws
from msgspec.structs import replace

from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.domain.books.ledger import Account
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.bill import Contest, Fee, Feedback, FeeKind, Item, Lowered, UntoldBill
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.flag import Flag, FlagKind
from chalicelib.domain.tab.given import GivenCredit, TabCredits
from chalicelib.domain.tab.link import BoundToken, Link, LinkMethod, Scope
from chalicelib.domain.tab.objection import Objection, ObjectionState
from chalicelib.domain.tab.payments import (
    Card,
    Deposit,
    DepositState,
    Dispute,
    DisputeState,
    Hold,
    HoldState,
    Leg,
    LegKind,
    Plan,
    PlannedLeg,
    PlanReason,
)
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Consent
from chalicelib.domain.tab.share import Parent, Report, Share
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.story import Place, TabStory
from chalicelib.domain.tab.tab import Followup, Outcome, Pause, Tab
from chalicelib.domain.trust.terms import LotKind
from chalicelib.ports.store import IdempotencyRecord, Pointer, SeenEvent, TabStore
from devstack import dynamodb_table

NOW = datetime(2026, 5, 4, 9, 30, 0, 123000, tzinfo=UTC)
REGION = "eu-central-1"
MERCHANT = "mer_a"
STAFF = Actor(subject="staff_1", role=Role.STAFF, merchant_id=MERCHANT)
TABLE = "aftertab-test"

_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_numbers):026}"


@contextmanager
def moto_store(client: Any = None) -> Iterator[DynamoDbStore]:
    """A store on moto, for this thread only. Waits between tries take no time."""
    client = client or _shared_client()
    with mock_aws():
        dynamodb_table.create_with(client, TABLE)
        yield DynamoDbStore(client, TABLE, sleep=lambda seconds: None, sweep_threads=1)


@cache
def _shared_client() -> Any:
    # Creating a client takes longer than most tests; moto patches every client created after its import.
    return dynamodb_client(region=REGION)


# Parties and records


def merchant(merchant_id: str = MERCHANT, **fields: Any) -> Merchant:
    given: dict[str, Any] = {
        "name": "Café Ünal",
        "account": "acct_1",
        "currency": "EUR",
        "settlement_currency": "EUR",
        "policy": Policy(review_window_s=7200),
        "created_at": NOW,
    }
    return Merchant(merchant_id=merchant_id, **(given | fields))


def customer(customer_id: str = "cus_a", merchant_id: str = MERCHANT, **fields: Any) -> Customer:
    given: dict[str, Any] = {"customer_ref": "cus_stripe_1", "reference": "", "created_at": NOW}
    return Customer(customer_id=customer_id, merchant_id=merchant_id, **(given | fields))


def record(record_id: str | None = None, *, at: datetime = NOW, **fields: Any) -> IdempotencyRecord:
    return IdempotencyRecord(
        record_id=record_id or new_id("mer_a#staff_1#key"),
        request_sha256="5f" * 32,
        created_at=at,
        expires_at=at + timedelta(hours=24),
        **fields,
    )


# What the store knows of events


def has_seen(store: TabStore, event: SeenEvent) -> bool:
    return store.find_for_event(event).is_seen


def find_pointer(store: TabStore, account: str | None, object_id: str) -> Pointer | None:
    event = SeenEvent(account=account, event_id="evt_that_never_was")
    return next(iter(store.find_for_event(event, object_ids=[object_id]).pointers), None)


# Changes


def opening(
    *, at: datetime = NOW, merchant_id: str = MERCHANT, customer_id: str = "cus_a", starts_at: datetime | None = None
) -> Change:
    """A new tab: open, or booked where `starts_at` is given; then the deposit keeps it in the due index."""
    terms = booking.Terms(
        title="Haircut, “short”",
        expected_outcome="Two centimetres off",
        limits=("no colouring",),
        estimate_minor=4000,
        cap_minor=9_999_999,
        deposit_minor=1000 if starts_at else 0,
        starts_at=starts_at,
    )
    by = Actor(subject="staff_1", role=Role.STAFF, merchant_id=merchant_id)
    draft = booking.open_tab(
        merchant(merchant_id), customer(customer_id, merchant_id), terms, now=at, by=by, new_id=new_id
    )
    return concluded(draft)


def concluded(draft: Draft) -> Change:
    change = due_steps.conclude(draft)
    assert change is not None
    return change


def next_change(tab: Tab, write: Callable[[Draft], None] | None = None, *, at: datetime | None = None) -> Change:
    """The next version of the tab, with what `write` writes on the draft, and be it a note in its history."""
    draft = Draft(tab, now=at or tab.updated_at + timedelta(seconds=1), by=STAFF, new_id=new_id)
    if write is not None:
        write(draft)
    if draft.is_empty:
        draft.record("noted")
    return concluded(draft)


def acting_at(change: Change, next_action_at: datetime | None) -> Change:
    """The change, with another next action than the agenda's."""
    return replace(change, tab=replace(change.tab, next_action_at=next_action_at))


def add_items(*prices: int, description: str = "Cut") -> Callable[[Draft], None]:
    return lambda draft: bill.add_items(
        draft, [bill.ItemInput(description=description, unit_price_minor=price) for price in prices]
    )


def everything(tab: Tab, *, fact_key: str, object_id: str) -> Change:
    """A change that writes every kind of item: an entry, a fact, a closed attempt and a pointer."""

    def write(draft: Draft) -> None:
        attempt = draft.begin(Operation.REFUND, 500, check_at=draft.now, payment_id="pi_1")
        draft.end_attempt(attempt, AttemptState.FAILED, Failure(code="declined", advice="try_again_later"))
        draft.fact_keys.append(fact_key)
        draft.objects.append((object_id, attempt.attempt_id))

    return next_change(tab, write)


def full_tab() -> Tab:
    """A tab with something in every one of its fields; it need not make sense, only come back the same."""
    tab = opening().tab
    accepted = Acceptance(
        subject="cus_a",
        method=AcceptanceMethod.APP,
        accepted_at=NOW,
        ip="2001:db8::1",
        user_agent="Aftertab/1 (iPhone)",
        promise_sha256=tab.promise.sha256,
        consents=(Consent.CAP, Consent.CARD_ON_FILE),
        card_terms_sha256="ab" * 32,
        free_cancel_until=NOW,
    )
    added = replace(accepted, consents=(Consent.AUTOMATIC_CHARGE,), card_terms_sha256=None)
    failure = Failure(code="card_declined", decline_code="insufficient_funds", advice="try_again_later")
    item = Item(item_id="itm_2", description="Cut", unit_price_minor=9_000, quantity=1, tax_minor=1437, added_at=NOW)
    return replace(
        tab,
        account="acct_1",
        promise=replace(
            tab.promise,
            accepted=accepted,
            added=(added,),
            starts_at=NOW,
            free_cancel_until=NOW,
            deposit_needs_card=True,
        ),
        proposed=replace(tab.promise, cap_minor=12_000, accepted=None),
        title="Bräune – “à la carte” 🍰\n\x00 end",
        status=Status.DUE,
        version=1,
        change_id=new_id("chg"),
        entry_count=12,
        starts_at=NOW + timedelta(microseconds=1),
        checked_in_at=NOW,
        presented_at=NOW,
        walked_out_at=NOW,
        review_ends_at=NOW + timedelta(hours=2),
        untold_bill=UntoldBill(seq=8, since=NOW, flagged=True),
        due_at=NOW,
        final_at=NOW + timedelta(days=14),
        closed_at=NOW,
        outcome=Outcome.FULFILLED,
        items=(
            replace(item, item_id="itm_1", description="", unit_price_minor=-5, voided_at=NOW),
            item,
        ),
        tip_minor=250,
        fee=Fee(kind=FeeKind.NO_SHOW, amount_minor=2000, announced_at=NOW, take_at=NOW + timedelta(days=1)),
        waived_minor=1,
        written_off_minor=2,
        adjusted_minor=3,
        tier_percent=80,
        lowered_before=Lowered(amount_minor=2, tax_minor=1),
        credits=TabCredits(
            given=(
                GivenCredit(
                    lot_id="lot_1",
                    customer_id="cus_a",
                    kind=LotKind.EARNED,
                    amount_minor=90,
                    kept_minor=45,
                    net_minor=9_000,
                    active_at=NOW,
                    expires_at=NOW,
                ),
            ),
            contested=True,
        ),
        statement_suffix="Cafe",
        contest=Contest(
            reason="Too short “by far”",
            contested_minor=500,
            contested_at=NOW,
            deadline_at=NOW + timedelta(days=7),
            default_at=NOW + timedelta(days=9),
            reminded=True,
        ),
        feedback=Feedback(rating=4, comment="Nice 🍰"),
        objection=Objection(
            reason="I was there.", at=NOW, state=ObjectionState.REFUSED, decided_at=NOW, answer="Nobody saw you."
        ),
        story=TabStory(
            asked_at=NOW,
            story_id="sty_1",
            told_at=NOW + timedelta(days=1),
            places=(Place.WEBSITE, Place.FEED),
            withdrawn_at=NOW + timedelta(days=2),
        ),
        followup=Followup(
            reminders_sent=2,
            tries=1,
            refusals=3,
            next_try_at=NOW + timedelta(days=2),
            charging_end_told=True,
            reminding_end_told=True,
            reminded_at=NOW + timedelta(days=1),
            remind_at=NOW + timedelta(days=2),
        ),
        parent=Parent(tab_id="tab_p", amount_minor=900, time_s=3600, returned_tax_minor=1, told=Report(paid_minor=1)),
        shares=(
            Share(
                tab_id="tab_s",
                amount_minor=700,
                tax_minor=70,
                made_by="lnk_1",
                told=Report(returned_minor=700, is_over=True),
            ),
        ),
        pause=Pause(by="sam", at=NOW, reason="on holiday", until=NOW + timedelta(hours=12)),
        receipt_seq=9,
        returned_seq=8,
        deposit=Deposit(amount_minor=1000, state=DepositState.HELD, place_at=NOW, lapses_at=NOW, failures=1),
        card=Card(card_id="pm_1", brand="visa", last4="4242", saved_at=NOW, refused="stolen_card"),
        holds=(
            Hold(
                payment_id="pi_1",
                attempt_id=None,
                amount_minor=1000,
                placed_at=NOW,
                capture_before=NOW + timedelta(days=4, hours=18),
                state=HoldState.CAPTURED,
                captured_minor=900,
                clock_done_for=Status.IN_REVIEW,
            ),
            Hold(
                payment_id="pi_3",
                attempt_id="att_3",
                amount_minor=1100,
                placed_at=NOW,
                capture_before=NOW + timedelta(days=5, hours=18),
            ),
        ),
        legs=(
            Leg(
                payment_id="pi_1",
                kind=LegKind.CAPTURE,
                amount_minor=900,
                taken_at=NOW,
                attempt_id="att_1",
                refunds={"re_1": 100},
                pending_refunds={"re_2": 50},
                disputes=(
                    Dispute(
                        dispute_id="dp_1",
                        amount_minor=900,
                        opened_at=NOW,
                        state=DisputeState.WON,
                        withdrawn_minor=900,
                        reinstated_minor=300,
                        returned_minor=200,
                        charge_refundable=True,
                        appealed_at=NOW,
                    ),
                ),
                failed_refunds=("re_3",),
                refund_failure="expired_or_canceled_card",
                refund_again_at=NOW,
                elsewhere_minor=20,
            ),
        ),
        attempts=(
            Attempt(
                attempt_id="att_2",
                operation=Operation.CHARGE,
                amount_minor=8_352,
                created_at=NOW,
                by="staff_1",
                state=AttemptState.AWAITING_CUSTOMER,
                payment_id="pi_2",
                card_id="pm_1",
                saves_card=True,
                check_at=NOW,
                checks=3,
                client_secret="pi_2_secret",
                failure=failure,
            ),
        ),
        plan=Plan(reason=PlanReason.FEE, legs=(PlannedLeg(Operation.CAPTURE, 1000),), card_usable=False),
        balances={Account.CUSTOMER_RECEIVABLE: 0, Account.TAX: -1437},
        flags=(
            Flag(
                flag_id="flg_1",
                kind=FlagKind.REFUND_BY_HAND,
                about="pi_1",
                reason="Somebody should look.",
                raised_at=NOW,
                amount_minor=30,
            ),
        ),
        links=(
            Link(
                link_id="lnk_1",
                scope=Scope.PAY,
                method=LinkMethod.REISSUED,
                made_by="staff_1",
                made_at=NOW,
                expires_at=NOW + timedelta(days=1),
                revoked_at=NOW,
            ),
        ),
        links_wanted=(NOW,),
        token=BoundToken(number=17, bound_at=NOW, taken_over_at=NOW),
        next_action_at=NOW + timedelta(days=1),
    )
