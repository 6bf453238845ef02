"""The money of a tab: deposit, saved card, holds, payments (legs) with their disputes, and the plan of legs to come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.status import Status


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
