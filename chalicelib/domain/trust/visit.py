"""The visit: what has become of one tab, by its entries alone. Standing, figures, forecast and evidence read visits.

`folds` says which entry changes what of it. What a visit holds are ids, instants, amounts and codes: nothing personal
but the id of the customer, nothing that anybody wrote.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DisputeState, LegKind
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.tab.tab import Outcome


class ContestEnd(StrEnum):
    """How a contest ended. `default`: nobody answered in time, so what was contested was waived."""

    ADJUSTED = "adjusted"
    WAIVED = "waived"
    UPHELD = "upheld"
    DEFAULT = "default"


class Contested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One contest. `of`: `bill`, `fee`, or `tier` for the difference to a lower tier; None while it is open."""

    at: datetime
    amount_minor: int
    answered_at: datetime | None = None
    end: ContestEnd | None = None
    of: str | None = None

    @property
    def is_won(self) -> bool:
        """Whether the customer was right, at least in part, or nobody answered them."""
        return self.end not in (None, ContestEnd.UPHELD)


class Paid(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One payment. `card`: the fingerprint of the card, where the gateway told it.

    `refunded_minor`: what has gone back of it, whoever gave it.
    """

    payment_id: str
    means: LegKind
    at: datetime
    amount_minor: int
    refunded_minor: int = 0
    card: str | None = None


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hold that lives: held, not charged."""

    payment_id: str
    amount_minor: int
    capture_before: datetime
    card: str | None = None


class Disputed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dispute of a payment. `reason`: the network's, in Stripe's code; "" where it was not told."""

    dispute_id: str
    payment_id: str
    at: datetime
    amount_minor: int
    state: DisputeState
    reason: str = ""
    decided_at: datetime | None = None


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one tab has come to, after its entry `seq`. Amounts are in the tab's currency, in its smallest unit.

    `estimate_minor`, `cap_minor`, `deposit_minor`, `starts_at`: as sealed last; before that, 0 and as opened.
    `cap_raises`: how often the customer accepted a higher cap than before. `presented_minor`: the bill as first
    presented, at `billed_at`, before anything was taken off.
    `total_minor`, with `tax_minor` in it: the bill as it is now.
    `moved_minor`: what of it is at the shares of a split bill; negative on a share. `owed_minor`: what is owed now, at
    any moment the tab's balance. `paid_at`: when nothing was owed any more, None while something is. `due_at`: since
    when, or from when on, what is owed is due. `declines`, `declined_at`: charges of the saved card without the
    customer that failed, and the first of them. `parent_id`: of a share, the tab that it is a part of.
    `story_told_at`: first told; `story_is_shown`: it was not taken back.
    `tier_percent`: the outcome tier that the bill is of: chosen, contested, or by silence; None where the price does
    not depend on the outcome.
    """

    tab_id: str
    merchant_id: str
    customer_id: str | None
    seq: int = 0
    currency: str = ""
    opened_at: datetime | None = None
    starts_at: datetime | None = None
    parent_id: str | None = None
    accepted_at: datetime | None = None
    method: AcceptanceMethod | None = None
    estimate_minor: int = 0
    cap_minor: int = 0
    deposit_minor: int = 0
    cap_raises: int = 0
    checked_in_at: datetime | None = None
    billed_at: datetime | None = None
    presented_at: datetime | None = None
    presented_minor: int = 0
    total_minor: int = 0
    tax_minor: int = 0
    tier_percent: int | None = None
    tip_minor: int = 0
    fee: FeeKind | None = None
    fee_minor: int = 0
    waived_minor: int = 0
    written_off_minor: int = 0
    moved_minor: int = 0
    receivable_minor: int = 0
    processing_fee_minor: int = 0
    due_at: datetime | None = None
    paid_at: datetime | None = None
    declines: int = 0
    declined_at: datetime | None = None
    payments: tuple[Paid, ...] = ()
    holds: tuple[Held, ...] = ()
    contests: tuple[Contested, ...] = ()
    disputes: tuple[Disputed, ...] = ()
    fraud_warned_at: datetime | None = None
    cards: tuple[str, ...] = ()
    no_show_at: datetime | None = None
    no_shows_taken_back: int = 0
    canceled_at: datetime | None = None
    canceled_by: str | None = None
    objected_at: datetime | None = None
    objection: ObjectionState | None = None
    rating: int | None = None
    story_asked_at: datetime | None = None
    story_told_at: datetime | None = None
    story_is_shown: bool = False
    outcome: Outcome | None = None
    closed_at: datetime | None = None

    @property
    def owed_minor(self) -> int:
        return max(0, self.receivable_minor)

    @property
    def ended_at_percent(self) -> int | None:
        """The outcome tier at which the service was priced in the end; None before its review is over."""
        return None if self.due_at is None and self.closed_at is None else self.tier_percent

    @property
    def net_minor(self) -> int:
        """The bill without its tax."""
        return self.total_minor - self.tax_minor

    @property
    def paid_minor(self) -> int:
        """What was taken and has not gone back."""
        return sum(payment.amount_minor - payment.refunded_minor for payment in self.payments)

    @property
    def refunded_minor(self) -> int:
        return sum(payment.refunded_minor for payment in self.payments)

    @property
    def held_minor(self) -> int:
        return sum(hold.amount_minor for hold in self.holds)

    @property
    def open_contest(self) -> Contested | None:
        return next((contest for contest in self.contests if contest.end is None), None)

    @property
    def is_late_cancel(self) -> bool:
        """Whether the customer canceled when it cost something."""
        return self.canceled_at is not None and self.fee is not None

    def payment(self, payment_id: str) -> Paid | None:
        return next((payment for payment in self.payments if payment.payment_id == payment_id), None)
