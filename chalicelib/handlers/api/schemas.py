"""What comes in and goes out over HTTP, and so the source of the OpenAPI document; mapping it is left to the routes.

Requests refuse unknown fields and other types; the bounds here keep out what no rule could want, the rules themselves
are the domain's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.promise import AcceptanceMethod, Consent
from chalicelib.domain.tab.tab import (
    AttemptState,
    DepositState,
    DisputeState,
    FeeKind,
    HoldExpiryAction,
    HoldState,
    LapseAction,
    LegKind,
    Operation,
    Outcome,
    PaymentState,
    PlanReason,
    Policy,
    Resolution,
    Status,
)

EXACT_MAXIMUM = 2**53 - 1
"""Above this a JSON number is not the same integer everywhere."""

# A line or paragraph for people: something to read in it, and no control characters but tab and line break.
_READABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
_PLAIN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

Amount = Annotated[int, Meta(ge=0, le=EXACT_MAXIMUM, description="In the currency's smallest unit.", examples=[2500])]
Line = Annotated[str, Meta(min_length=1, max_length=120, pattern=_READABLE)]
Text = Annotated[str, Meta(min_length=1, max_length=500, pattern=_READABLE)]
Sha256 = Annotated[
    str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal, lower case.")
]
Instant = Annotated[
    datetime, Meta(tz=True, description="RFC 3339, with a time zone.", examples=["2026-05-01T09:00:00Z"])
]
ID_PATTERN = "^[A-Za-z0-9_-]{1,64}(?!\\n)$"
"""The end is said twice because Python's `$` lets a line break pass, and JSON Schema knows no `\\Z`."""
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
CurrencyCode = Annotated[
    str,
    Meta(min_length=3, max_length=3, pattern="^[A-Za-z]{3}$", description="ISO 4217, upper case.", examples=["EUR"]),
]
Seconds = Annotated[int, Meta(ge=0, le=366 * 24 * 3600)]
Hour = Annotated[int, Meta(ge=0, le=23)]
Limits = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200, pattern=_READABLE)]], Meta(max_length=20)]


_POLICY = Policy()


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request's body."""


class Nothing(Body):
    """No fields; the body may be left out."""


class PolicyInput(Body):
    """Rules for tabs to come; what is left out gets its default. All durations in seconds."""

    free_cancel_s: Seconds = _POLICY.free_cancel_s
    no_show_grace_s: Seconds = _POLICY.no_show_grace_s
    review_window_s: Seconds = _POLICY.review_window_s
    hold_window_s: Seconds = _POLICY.hold_window_s
    hold_ahead_s: Seconds = _POLICY.hold_ahead_s
    hold_margin_s: Seconds = _POLICY.hold_margin_s
    hold_expiry_action: HoldExpiryAction = _POLICY.hold_expiry_action
    deposit_lapse_s: Seconds = _POLICY.deposit_lapse_s
    deposit_lapse_action: LapseAction = _POLICY.deposit_lapse_action
    contest_deadline_s: Seconds = _POLICY.contest_deadline_s
    contest_default_after_s: Seconds = _POLICY.contest_default_after_s
    contest_default: Resolution = _POLICY.contest_default
    reminder_offsets_s: tuple[Seconds, ...] = _POLICY.reminder_offsets_s
    retry_offsets_s: tuple[Seconds, ...] = _POLICY.retry_offsets_s
    time_zone: Annotated[str, Meta(min_length=1, max_length=60, pattern="^[A-Za-z0-9_+/-]+$")] = _POLICY.time_zone
    quiet_from_hour: Hour = _POLICY.quiet_from_hour
    quiet_until_hour: Hour = _POLICY.quiet_until_hour
    exposure_per_customer_minor: Amount = _POLICY.exposure_per_customer_minor
    exposure_per_merchant_minor: Amount = _POLICY.exposure_per_merchant_minor


class NewMerchant(Body):
    name: Line
    currency: CurrencyCode
    settlement_currency: CurrencyCode | None = None
    account: Annotated[str, Meta(pattern="^acct_[A-Za-z0-9_]{1,64}(?!\\n)$")] | None = None
    policy: PolicyInput = msgspec.field(default_factory=PolicyInput)


class NewCustomer(Body):
    """`reference`: the merchant's own word for the customer, a loyalty number say."""

    reference: Line


class CardSetupRequest(Body):
    """`card_terms_sha256`: of the words about keeping the card that the customer was shown and agreed to."""

    card_terms_sha256: Sha256
    tab_id: Id | None = None


class NewTab(Body):
    """`cap_minor`: the most the bill may come to without a new promise; the estimate where left out."""

    customer_id: Id
    title: Line
    expected_outcome: Text
    estimate_minor: Amount
    cap_minor: Amount | None = None
    limits: Limits = []
    deposit_minor: Amount = 0
    no_show_fee_minor: Amount = 0
    late_cancel_fee_minor: Amount = 0
    currency: CurrencyCode | None = None
    starts_at: Instant | None = None
    terms_version: Annotated[str, Meta(min_length=1, max_length=40, pattern=_READABLE)] = "1"


class AcceptPromise(Body):
    """`promise_sha256`: of the promise as it was shown, from the tab."""

    promise_sha256: Sha256
    consents: Annotated[list[Consent], Meta(max_length=len(Consent))]
    card_terms_sha256: Sha256 | None = None


class ProposePromise(Body):
    """What is left out stays as it is."""

    expected_outcome: Text | None = None
    limits: Limits | None = None
    estimate_minor: Amount | None = None
    cap_minor: Amount | None = None


class NewItem(Body):
    """`unit_price_minor` includes tax at `tax_basis_points` (1900 = 19 %)."""

    description: Annotated[str, Meta(min_length=1, max_length=200, pattern=_READABLE)]
    unit_price_minor: Amount
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    tax_basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 0


class NewItems(Body):
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=50)]


class AcceptBill(Body):
    """`rating`: how content the customer is, from 1 to 5; a comment comes with it."""

    tip_minor: Amount = 0
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None
    comment: Annotated[str, Meta(max_length=1000, pattern=_PLAIN)] = ""


class NewContest(Body):
    """`contested_minor`: how much of the bill; all of it where left out."""

    reason: Text
    contested_minor: Amount | None = None


class ResolveContest(Body):
    """`reduction_minor`: for adjust, by how much the bill is lowered."""

    resolution: Resolution
    reason: Text
    reduction_minor: Amount | None = None


class AdjustBill(Body):
    reduction_minor: Amount
    reason: Text


class NewRefund(Body):
    """`amount_minor`: everything that can be given back, where left out."""

    reason: Text
    amount_minor: Amount | None = None


class NewCash(Body):
    amount_minor: Amount


class NewTip(Body):
    tip_minor: Amount


class WriteOff(Body):
    reason: Text


class NewCharge(Body):
    """`on_session`: the customer confirms on the phone. `off_session`: the hold and the saved card, with consent."""

    mode: Literal["on_session", "off_session"]


class Cancel(Body):
    reason: Annotated[str, Meta(max_length=500, pattern=_PLAIN)] = ""


class Waive(Body):
    reason: Text


# Answers


class Answer(msgspec.Struct, kw_only=True):
    """A response's body."""


class HealthView(Answer):
    status: Literal["ok"]
    stage: str
    version: str


class WebhookView(Answer):
    result: Literal["handled", "seen", "ignored", "unclaimed"]


class PolicyView(Answer):
    free_cancel_s: int
    no_show_grace_s: int
    review_window_s: int
    hold_window_s: int
    hold_ahead_s: int
    hold_margin_s: int
    hold_expiry_action: HoldExpiryAction
    deposit_lapse_s: int
    deposit_lapse_action: LapseAction
    contest_deadline_s: int
    contest_default_after_s: int
    contest_default: Resolution
    reminder_offsets_s: tuple[int, ...]
    retry_offsets_s: tuple[int, ...]
    time_zone: str
    quiet_from_hour: int
    quiet_until_hour: int
    exposure_per_customer_minor: int
    exposure_per_merchant_minor: int


class MerchantView(Answer):
    merchant_id: str
    name: str
    currency: str
    settlement_currency: str | None
    account: str | None
    policy: PolicyView
    version: int
    created_at: datetime


class PolicyChanged(Answer):
    """`warnings`: what the policy can't promise, in words."""

    merchant: MerchantView
    warnings: list[str]


class CardView(Answer):
    brand: str
    last4: str


class CustomerView(Answer):
    customer_id: str
    reference: str
    card: CardView | None
    created_at: datetime


class CardSetupView(Answer):
    """What Stripe's SDK on the phone needs to save a card."""

    setup_id: str
    client_secret: str
    publishable_key: str
    account: str | None


class AcceptedView(Answer):
    method: AcceptanceMethod
    accepted_at: datetime
    consents: list[Consent]


class PromiseView(Answer):
    expected_outcome: str
    limits: list[str]
    estimate_minor: int
    cap_minor: int
    deposit_minor: int
    no_show_fee_minor: int
    late_cancel_fee_minor: int
    starts_at: datetime | None
    free_cancel_until: datetime | None
    no_show_grace_s: int
    review_window_s: int
    terms_version: str
    promise_sha256: str
    accepted: AcceptedView | None


class ItemView(Answer):
    item_id: str
    description: str
    unit_price_minor: int
    quantity: int
    amount_minor: int
    tax_minor: int
    voided: bool


class FeeView(Answer):
    kind: FeeKind
    amount_minor: int


class DepositView(Answer):
    amount_minor: int
    state: DepositState
    place_at: datetime | None
    lapses_at: datetime | None


class HoldView(Answer):
    """Money held, not charged."""

    payment_id: str
    amount_minor: int
    state: HoldState
    captured_minor: int
    placed_at: datetime
    capture_before: datetime


class LegView(Answer):
    """Money that was taken."""

    payment_id: str
    kind: LegKind
    amount_minor: int
    refunded_minor: int
    refund_pending_minor: int
    taken_at: datetime
    dispute: DisputeView | None


class DisputeView(Answer):
    """The customer's bank questions a payment."""

    dispute_id: str
    amount_minor: int
    withdrawn_minor: int
    state: DisputeState
    opened_at: datetime


class ContestView(Answer):
    reason: str
    contested_minor: int
    contested_at: datetime
    deadline_at: datetime


class FeedbackView(Answer):
    rating: int
    comment: str


class PlannedLegView(Answer):
    operation: Operation
    amount_minor: int


class PlanView(Answer):
    reason: PlanReason
    legs: list[PlannedLegView]


class NextActionView(Answer):
    at: datetime
    why: str


class FailureView(Answer):
    code: str
    decline_code: str | None
    advice: str | None


class PaymentView(Answer):
    """One attempt at moving money. `client_secret`: for the customer, while it waits for them."""

    attempt_id: str
    operation: Operation
    amount_minor: int
    state: AttemptState
    payment_id: str | None
    failure: FailureView | None
    client_secret: str | None
    publishable_key: str | None
    account: str | None


class TabView(Answer):
    """A tab as its caller sees it. `ledger` and `flagged` are for the business, null for customers."""

    tab_id: str
    merchant_id: str
    customer_id: str
    title: str
    status: Status
    payment_state: PaymentState
    outcome: Outcome | None
    version: int
    currency: str
    promise: PromiseView
    proposed_promise: PromiseView | None
    items: list[ItemView]
    total_minor: int
    tax_minor: int
    tip_minor: int
    fee: FeeView | None
    adjusted_minor: int
    waived_minor: int
    written_off_minor: int
    amount_due_minor: int
    paid_minor: int
    balance_minor: int
    refund_owed_minor: int
    refunded_minor: int
    deposit: DepositView
    holds: list[HoldView]
    legs: list[LegView]
    card: CardView | None
    settlement_plan: PlanView | None
    contest: ContestView | None
    feedback: FeedbackView | None
    ledger: dict[str, int] | None
    flagged: str | None
    opened_at: datetime
    starts_at: datetime | None
    checked_in_at: datetime | None
    presented_at: datetime | None
    review_ends_at: datetime | None
    due_at: datetime | None
    closed_at: datetime | None
    next_action: NextActionView | None
    allowed_actions: list[Action]
    payment: PaymentView | None


class TabLine(Answer):
    """A tab in a listing."""

    tab_id: str
    customer_id: str
    title: str
    status: Status
    payment_state: PaymentState
    currency: str
    total_minor: int
    amount_due_minor: int
    paid_minor: int
    opened_at: datetime
    starts_at: datetime | None
    version: int


class TabList(Answer):
    tabs: list[TabLine]
    next_cursor: str | None


class PostingView(Answer):
    account: str
    amount_minor: int


class EntryView(Answer):
    """One thing that happened. For customers `postings` is null, and so is `by` where it was somebody at the business.

    What only the business is shown is left out for customers: `seq` then has gaps.
    """

    seq: int
    at: datetime
    kind: str
    by: str | None
    details: dict[str, Any]
    postings: list[PostingView] | None


class Timeline(Answer):
    entries: list[EntryView]
    next_cursor: str | None


class PendingView(Answer):
    """Something that will happen: what (a stable word), from when on, and why in words."""

    what: str
    at: datetime
    why: str


class AgendaView(Answer):
    """The next thing first."""

    pending: list[PendingView]


class ExpectedView(Answer):
    day: str
    amount_minor: int


class ExpiringHoldView(Answer):
    tab_id: str
    customer_id: str
    held_minor: int
    capture_before: datetime


class ExposureView(Answer):
    customer_id: str
    amount_minor: int


class ReceivablesView(Answer):
    """`is_complete` is false where there was more than one report reads."""

    currency: str
    at: datetime
    total_minor: int
    ageing: dict[str, int]
    expected: list[ExpectedView]
    expiring_holds: list[ExpiringHoldView]
    exposure: list[ExposureView]
    is_complete: bool


class Problem(Answer):
    """RFC 9457. `code` is stable; further members say what helps: `field`, `version`, `retry_after_s` and others."""

    type: str
    title: str
    status: int
    code: str
    detail: str
