"""The tab: its parts, its two axes, every figure derived from them; what changes it is in commands.py and facts.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.tab.promise import Consent, Promise

MAXIMUM_ITEMS = 100
LEASE = timedelta(minutes=30)
"""How long a customer has to finish a payment on the phone (money rule 6)."""


class Status(StrEnum):
    """The service. Only commands and the clock change it, payment facts never do, but for closing."""

    BOOKED = "booked"
    OPEN = "open"
    IN_REVIEW = "in_review"
    DUE = "due"
    CONTESTED = "contested"
    CLOSED = "closed"
    CANCELED = "canceled"
    NO_SHOW = "no_show"


class PaymentState(StrEnum):
    """The money. Derived from facts alone."""

    NONE = "none"
    OWED = "owed"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    REFUND_OWED = "refund_owed"
    DISPUTED = "disputed"
    WRITTEN_OFF = "written_off"


class Role(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    OWNER = "owner"
    OPERATOR = "operator"
    SYSTEM = "system"


class Actor(Struct, frozen=True, kw_only=True):
    """Who asks. `merchant_id` is None for operators, `customer_id` is set for customers only."""

    subject: str
    role: Role
    merchant_id: str | None = None
    customer_id: str | None = None

    @property
    def is_business(self) -> bool:
        return self.role in (Role.STAFF, Role.OWNER)


SYSTEM = Actor(subject="aftertab", role=Role.SYSTEM)


class LapseAction(StrEnum):
    """What becomes of a booking whose deposit nobody confirms."""

    KEEP_UNSECURED = "keep_unsecured"
    CANCEL = "cancel"


class HoldExpiryAction(StrEnum):
    """What happens to a bill under review when its hold is about to expire."""

    CAPTURE = "capture"
    END_REVIEW = "end_review"


class Resolution(StrEnum):
    """How a contest ends: the bill is lowered, stands, or is forgiven."""

    ADJUST = "adjust"
    UPHOLD = "uphold"
    WAIVE = "waive"


class Policy(Struct, frozen=True, kw_only=True):
    """A merchant's rules of time, frozen into each tab at its opening. All durations in seconds.

    `hold_window_s`: services that start within this of booking are held at booking, later ones need a saved card.
    `hold_ahead_s`: how long before the service the hold is placed on the saved card.
    `hold_margin_s`: how long before `capture_before` the hold clock acts; design §4 wants 24 h at least.
    `deposit_lapse_s`: how long a wanted deposit waits for the customer. A contest has `contest_deadline_s` to be
    resolved; then the owner is reminded, and `contest_default_after_s` later `contest_default` (uphold, waive) applies.
    `reminder_offsets_s`: after the bill fell due. `retry_offsets_s`: from one automatic charge to the next. Nobody is
    reminded from `quiet_from_hour` to `quiet_until_hour` in `time_zone`. `exposure_per_*_minor`: how much may be unpaid
    at once; 0: no limit.
    """

    free_cancel_s: int = 48 * 3600
    no_show_grace_s: int = 15 * 60
    review_window_s: int = 24 * 3600
    hold_window_s: int = 96 * 3600
    hold_ahead_s: int = 48 * 3600
    hold_margin_s: int = 24 * 3600
    hold_expiry_action: HoldExpiryAction = HoldExpiryAction.CAPTURE
    deposit_lapse_s: int = 24 * 3600
    deposit_lapse_action: LapseAction = LapseAction.KEEP_UNSECURED
    contest_deadline_s: int = 7 * 24 * 3600
    contest_default_after_s: int = 48 * 3600
    contest_default: Resolution = Resolution.UPHOLD
    reminder_offsets_s: tuple[int, ...] = (24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600)
    retry_offsets_s: tuple[int, ...] = (2 * 24 * 3600, 3 * 24 * 3600, 5 * 24 * 3600)
    time_zone: str = "UTC"
    quiet_from_hour: int = 21
    quiet_until_hour: int = 8
    exposure_per_customer_minor: int = 0
    exposure_per_merchant_minor: int = 0


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the bill. Prices include tax; `tax_minor` is the whole line's. Voided items stay, and count nothing."""

    item_id: str
    description: str
    unit_price_minor: int
    quantity: int
    tax_minor: int
    added_at: datetime
    voided_at: datetime | None = None

    @property
    def amount_minor(self) -> int:
        return 0 if self.voided_at else self.unit_price_minor * self.quantity


class FeeKind(StrEnum):
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"


class Fee(Struct, frozen=True, kw_only=True):
    kind: FeeKind
    amount_minor: int


class DepositState(StrEnum):
    NONE = "none"
    WANTED = "wanted"
    REQUIRES_ACTION = "requires_action"
    CARD_SAVED = "card_saved"
    PLACING = "placing"
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    FAILED = "failed"
    LAPSED = "lapsed"


class Deposit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The amount and how far securing it has come. `place_at`: when to place the hold on the saved card.

    `lapses_at`: until when it waits for the customer. `failures`: declined placements so far.
    """

    amount_minor: int = 0
    state: DepositState = DepositState.NONE
    place_at: datetime | None = None
    lapses_at: datetime | None = None
    failures: int = 0


class Card(Struct, frozen=True, kw_only=True):
    """A saved card: an opaque reference and what a person recognises it by."""

    card_id: str
    brand: str
    last4: str
    saved_at: datetime


class HoldState(StrEnum):
    LIVE = "live"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Hold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One authorization, by its id at the gateway. `clock_done_for`: the status in which the hold clock has acted."""

    payment_id: str
    attempt_id: str | None
    amount_minor: int
    placed_at: datetime
    capture_before: datetime
    state: HoldState = HoldState.LIVE
    captured_minor: int = 0
    clock_done_for: Status | None = None


class DisputeState(StrEnum):
    """What has become of a payment that the customer's bank took back."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Dispute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's bank questions a payment. `withdrawn_minor`: what it has taken back for the time being."""

    dispute_id: str
    amount_minor: int
    opened_at: datetime
    state: DisputeState = DisputeState.OPEN
    withdrawn_minor: int = 0
    reinstated: bool = False


class LegKind(StrEnum):
    CAPTURE = "capture"
    CHARGE = "charge"
    CASH = "cash"


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that was taken. Refunds by their id at the gateway, so that a repeated fact changes nothing.

    `failed_refunds`: refunds, or attempts at one, that can't be made this way; a person finds another.
    """

    payment_id: str
    kind: LegKind
    amount_minor: int
    taken_at: datetime
    attempt_id: str | None = None
    refunds: Mapping[str, int] = field(default_factory=dict)
    pending_refunds: Mapping[str, int] = field(default_factory=dict)
    dispute: Dispute | None = None
    failed_refunds: tuple[str, ...] = ()

    @property
    def refunded_minor(self) -> int:
        return sum(self.refunds.values())

    @property
    def refund_pending_minor(self) -> int:
        return sum(self.pending_refunds.values())

    @property
    def is_disputed(self) -> bool:
        """Open, or lost: a payment that was won back is one like any other."""
        return self.dispute is not None and self.dispute.state != DisputeState.WON

    @property
    def refundable_minor(self) -> int:
        return 0 if self.is_disputed else self.amount_minor - self.refunded_minor - self.refund_pending_minor

    @property
    def lost_minor(self) -> int:
        """What a lost dispute has given back to the customer, as far as it is not counted as given back already."""
        if self.dispute is None or self.dispute.state != DisputeState.LOST:
            return 0
        return min(self.dispute.amount_minor, self.amount_minor - self.refunded_minor - self.refund_pending_minor)


class Operation(StrEnum):
    """What an attempt asks the gateway to do."""

    PLACE_HOLD = "place_hold"
    CAPTURE = "capture"
    RELEASE = "release"
    CHARGE = "charge"
    REFUND = "refund"


class AttemptState(StrEnum):
    """`pending`: written, perhaps sent. `unknown`: sent, no answer to trust. `awaiting_customer`: the phone's turn."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    AWAITING_CUSTOMER = "awaiting_customer"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CLOSED = "closed"
    ABANDONED = "abandoned"


OPEN_ATTEMPT_STATES = frozenset({AttemptState.PENDING, AttemptState.UNKNOWN, AttemptState.AWAITING_CUSTOMER})
TAKES_MONEY = frozenset({Operation.CAPTURE, Operation.CHARGE})


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt failed, in the gateway's codes; `advice` says whether and how to try again."""

    code: str
    decline_code: str | None = None
    advice: str | None = None


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recorded try at moving money, with exactly what is sent: everything here is fixed before the call is made.

    `payment_id`: the payment it works on; for a new hold or charge it is known once the gateway has answered.
    `card_id`: the card to use without the customer; None lets the customer choose on the phone (on-session).
    `saves_card`: the card may be kept for later charges. `tip_minor`: the tip in it, which is due only when paid.
    `checks`: how often its outcome was asked for. `check_at`: when to ask (again); None when nothing is left to ask.
    """

    attempt_id: str
    operation: Operation
    amount_minor: int
    created_at: datetime
    by: str
    state: AttemptState = AttemptState.PENDING
    payment_id: str | None = None
    card_id: str | None = None
    saves_card: bool = False
    tip_minor: int = 0
    check_at: datetime | None = None
    checks: int = 0
    client_secret: str | None = None
    failure: Failure | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_ATTEMPT_STATES

    @property
    def takes_money(self) -> bool:
        return self.operation in TAKES_MONEY

    @property
    def is_on_session(self) -> bool:
        """Made for the customer to confirm on the phone, rather than with a saved card."""
        return self.operation in (Operation.CHARGE, Operation.PLACE_HOLD) and self.card_id is None


class PlanReason(StrEnum):
    """What entitles us to take money now."""

    ACCEPTED = "accepted"
    REVIEW_ENDED = "review_ended"
    FEE = "fee"
    HOLD_EXPIRING = "hold_expiring"


class PlannedLeg(Struct, frozen=True):
    operation: Operation
    amount_minor: int


class Plan(Struct, frozen=True, kw_only=True):
    """The settlement: the legs still to come, in order. `card_usable`: no charge on the saved card has failed."""

    reason: PlanReason
    legs: tuple[PlannedLeg, ...]
    card_usable: bool


class Contest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The customer says that something is wrong. `contested_minor`: how much of the bill. `reminded`: the owner was."""

    reason: str
    contested_minor: int
    contested_at: datetime
    deadline_at: datetime
    default_at: datetime
    reminded: bool = False


class Feedback(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How content the customer was: `rating` from 1 to 5."""

    rating: int
    comment: str = ""


class Followup(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far asking for the money has come. `tries`: automatic charges that failed; `next_try_at`: the next one.

    `not_before`: the end of the quiet hours that something was due in.
    """

    reminders_sent: int = 0
    tries: int = 0
    next_try_at: datetime | None = None
    not_before: datetime | None = None


class Outcome(StrEnum):
    """How a closed tab ended."""

    FULFILLED = "fulfilled"
    CANCELED = "canceled"
    NO_SHOW = "no_show"
    WRITTEN_OFF = "written_off"


class Tab(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One service for one customer: a snapshot, replaced whole by each change; `version` counts them from 1.

    `account`: the connected account it is kept in (None: the platform's own), `customer_ref`: the customer's id there.
    `minimum_charge_minor`: the least a card may be charged. All three are frozen at opening.
    `adjusted_minor`: what was taken off the bill after it was presented, `adjusted_tax_minor` the tax in it.
    `receipt_owed`: the customer has paid and not been told. `change_id`: the change that wrote this version. `flagged`:
    why a person must look, in words.
    """

    tab_id: str
    merchant_id: str
    customer_id: str
    customer_ref: str
    account: str | None
    currency: str
    minimum_charge_minor: int
    policy: Policy
    promise: Promise
    title: str
    status: Status
    opened_at: datetime
    updated_at: datetime
    version: int = 0
    change_id: str = ""
    entry_count: int = 0
    proposed: Promise | None = None
    starts_at: datetime | None = None
    checked_in_at: datetime | None = None
    presented_at: datetime | None = None
    review_ends_at: datetime | None = None
    due_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    items: tuple[Item, ...] = ()
    tip_minor: int = 0
    fee: Fee | None = None
    adjusted_minor: int = 0
    adjusted_tax_minor: int = 0
    waived_minor: int = 0
    written_off_minor: int = 0
    contest: Contest | None = None
    feedback: Feedback | None = None
    followup: Followup = Followup()
    receipt_owed: bool = False
    deposit: Deposit = Deposit()
    card: Card | None = None
    holds: tuple[Hold, ...] = ()
    legs: tuple[Leg, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    plan: Plan | None = None
    balances: Mapping[Account, int] = field(default_factory=dict)
    flagged: str | None = None
    next_action_at: datetime | None = None

    # What is owed

    @property
    def total_minor(self) -> int:
        """The bill, without the tip; a running total while the service goes on."""
        return sum([item.amount_minor for item in self.items]) - self.adjusted_minor

    @property
    def tax_minor(self) -> int:
        return sum([item.tax_minor for item in self.items if not item.voided_at]) - self.adjusted_tax_minor

    @property
    def amount_due_minor(self) -> int:
        """What the customer has to pay in all: nothing before the bill is presented or a fee falls due."""
        if self.fee is not None:
            gross = self.fee.amount_minor
        elif self.presented_at is not None:
            gross = self.total_minor + self.tip_minor
        else:
            gross = 0
        return gross - self.waived_minor - self.written_off_minor

    @property
    def paid_minor(self) -> int:
        """Taken and not given back; a refund counts from the moment it is asked for."""
        return sum([leg.amount_minor - leg.refunded_minor - leg.refund_pending_minor for leg in self.legs])

    @property
    def receipt_minor(self) -> int:
        """What a receipt is for: paid, as far as it was due. What is to be given back was not paid for anything."""
        return min(self.paid_minor, self.amount_due_minor)

    @property
    def balance_minor(self) -> int:
        """Still owed by the customer; never negative."""
        return max(0, self.amount_due_minor - self.paid_minor)

    @property
    def refund_owed_minor(self) -> int:
        """Taken above what was due and not yet on its way back."""
        return max(0, self.paid_minor - self.amount_due_minor)

    @property
    def payment_state(self) -> PaymentState:
        disputes = [leg.dispute.state for leg in self.legs if leg.dispute]
        if DisputeState.OPEN in disputes:
            return PaymentState.DISPUTED
        paid_minor, due_minor = self.paid_minor, self.amount_due_minor
        if paid_minor > due_minor or any(leg.refund_pending_minor for leg in self.legs):
            return PaymentState.REFUND_OWED
        if paid_minor < due_minor:
            return PaymentState.PARTLY_PAID if paid_minor else PaymentState.OWED
        if self.written_off_minor or DisputeState.LOST in disputes:
            return PaymentState.WRITTEN_OFF
        return PaymentState.PAID if paid_minor else PaymentState.NONE

    # Parts

    @property
    def live_hold(self) -> Hold | None:
        """The live hold that lasts longest."""
        live = [hold for hold in self.holds if hold.state == HoldState.LIVE]
        return max(live, key=lambda hold: hold.capture_before, default=None)

    def hold(self, payment_id: str) -> Hold | None:
        return next((hold for hold in self.holds if hold.payment_id == payment_id), None)

    def leg(self, payment_id: str) -> Leg | None:
        return next((leg for leg in self.legs if leg.payment_id == payment_id), None)

    def attempt(self, attempt_id: str | None) -> Attempt | None:
        """The open attempt with this id; closed ones are kept beside the snapshot."""
        return next((attempt for attempt in self.attempts if attempt.attempt_id == attempt_id), None)

    @property
    def taking_attempt(self) -> Attempt | None:
        """The one open attempt that takes money from the customer (money rule 5)."""
        return next((attempt for attempt in self.attempts if attempt.takes_money), None)

    @property
    def placing_attempt(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.operation == Operation.PLACE_HOLD), None)

    def item(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.item_id == item_id), None)

    # What was agreed

    @property
    def accepted(self) -> bool:
        return self.promise.accepted is not None

    @property
    def may_use_card(self) -> bool:
        """A card is on the tab, and the customer agreed to its being kept."""
        return self.card is not None and self.promise.consents_to(Consent.CARD_ON_FILE)

    @property
    def may_charge_automatically(self) -> bool:
        return self.promise.consents_to(Consent.AUTOMATIC_CHARGE)

    @property
    def has_open_dispute(self) -> bool:
        return any(leg.dispute is not None and leg.dispute.state == DisputeState.OPEN for leg in self.legs)

    @property
    def collectable_minor(self) -> int:
        """What the customer may still pay: the balance, or what was given up as lost."""
        return self.balance_minor or self.written_off_minor

    @property
    def held_minor(self) -> int:
        return self.live_hold.amount_minor if self.live_hold else 0

    @property
    def hold_expires_at(self) -> datetime | None:
        return self.live_hold.capture_before if self.live_hold else None

    @property
    def expected_at(self) -> datetime | None:
        """When the balance is to be taken without the customer, if it is."""
        if self.status == Status.IN_REVIEW:
            chargeable = self.may_charge_automatically and (self.may_use_card or self.live_hold is not None)
            return self.review_ends_at if chargeable else None
        waits = self.status == Status.CONTESTED or any(leg.is_disputed for leg in self.legs)
        return None if waits else self.followup.next_try_at

    @property
    def is_finished(self) -> bool:
        """The service is over and nothing more will be added: canceled, no-show or closed."""
        return self.status in (Status.CANCELED, Status.NO_SHOW, Status.CLOSED)


TRANSITIONS: Mapping[tuple[Status, Status], str] = {
    (Status.BOOKED, Status.OPEN): "check_in",
    (Status.BOOKED, Status.CANCELED): "cancel",
    (Status.BOOKED, Status.NO_SHOW): "no_show",
    (Status.NO_SHOW, Status.OPEN): "check_in",
    (Status.OPEN, Status.IN_REVIEW): "complete",
    (Status.OPEN, Status.CANCELED): "cancel",
    (Status.IN_REVIEW, Status.OPEN): "amend",
    (Status.IN_REVIEW, Status.DUE): "accept_bill, review_ended",
    (Status.IN_REVIEW, Status.CONTESTED): "contest",
    (Status.DUE, Status.CONTESTED): "contest",
    (Status.CONTESTED, Status.IN_REVIEW): "resolve",
    (Status.CONTESTED, Status.DUE): "resolve",
    (Status.IN_REVIEW, Status.CLOSED): "nothing_owed",
    (Status.DUE, Status.CLOSED): "nothing_owed, write_off",
    (Status.CANCELED, Status.CLOSED): "nothing_owed",
    (Status.NO_SHOW, Status.CLOSED): "nothing_owed",
}
"""Every change of status there is, and what brings it about (design §4)."""
