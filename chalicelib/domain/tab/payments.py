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


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A saved card: an opaque reference and what a person recognises it by.

    `refused`: the code of the decline after which it must not be tried again (Failure.is_final).
    """

    card_id: str
    brand: str
    last4: str
    saved_at: datetime
    refused: str | None = None


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
    """What a customer's bank says of a payment. An inquiry only asks: it takes no money."""

    INQUIRY = "inquiry"
    INQUIRY_CLOSED = "inquiry_closed"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


class Dispute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's bank questions a payment, or a part of it.

    `withdrawn_minor` and `reinstated_minor`: what it has taken and given us again, in all. `returned_minor`: of what it
    took, how much was owed to the customer anyway and counts as given back. `charge_refundable`: the gateway still
    refunds the payment while the dispute is open. `appealed_at`: when a decided dispute was opened again.
    """

    dispute_id: str
    amount_minor: int
    opened_at: datetime
    state: DisputeState = DisputeState.OPEN
    withdrawn_minor: int = 0
    reinstated_minor: int = 0
    returned_minor: int = 0
    charge_refundable: bool = False
    appealed_at: datetime | None = None

    @property
    def outstanding_minor(self) -> int:
        """What the bank has of our money now; negative while only its giving back was heard of."""
        return self.withdrawn_minor - self.reinstated_minor

    @property
    def at_bank_minor(self) -> int:
        """What the bank has, or will take, so that it can't be given back by us as well."""
        if self.state == DisputeState.LOST:
            # The loss may be heard of before the withdrawal is.
            return max(0, (self.withdrawn_minor or self.amount_minor) - self.reinstated_minor)
        if self.state == DisputeState.OPEN:
            return max(self.amount_minor, self.outstanding_minor)
        return max(0, self.outstanding_minor)

    @property
    def lost_minor(self) -> int:
        """What a lost dispute has given to the customer, as far as it does not count as given back yet."""
        return self.at_bank_minor - self.returned_minor if self.state == DisputeState.LOST else 0


class LegKind(StrEnum):
    CAPTURE = "capture"
    CHARGE = "charge"
    CASH = "cash"


class RefundMeans(StrEnum):
    """How money goes back past the gateway."""

    CASH = "cash"
    BANK_TRANSFER = "bank_transfer"
    OTHER = "other"


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that was taken. Refunds by their id at the gateway, so that a repeated fact changes nothing.

    `failed_refunds`: refunds that have failed. `refund_failure`: why the next one is left to a person, in the gateway's
    code; None if it is not. `refund_again_at`: the gateway says that the bank decides first; asked again then.
    `elsewhere_minor`: given back past the gateway. `fraud_warning`: the warning of the card's bank, if there is one.
    """

    payment_id: str
    kind: LegKind
    amount_minor: int
    taken_at: datetime
    attempt_id: str | None = None
    refunds: Mapping[str, int] = field(default_factory=dict)
    pending_refunds: Mapping[str, int] = field(default_factory=dict)
    failed_refunds: tuple[str, ...] = ()
    refund_failure: str | None = None
    refund_again_at: datetime | None = None
    elsewhere_minor: int = 0
    fraud_warning: str | None = None
    disputes: tuple[Dispute, ...] = ()

    def dispute(self, dispute_id: str) -> Dispute | None:
        return next((dispute for dispute in self.disputes if dispute.dispute_id == dispute_id), None)

    @property
    def refunded_minor(self) -> int:
        """Given back by whoever: through the gateway, past it, or by the bank."""
        by_bank = sum([dispute.returned_minor for dispute in self.disputes]) if self.disputes else 0
        return sum(self.refunds.values()) + self.elsewhere_minor + by_bank

    @property
    def refund_pending_minor(self) -> int:
        return sum(self.pending_refunds.values())

    @property
    def has_open_dispute(self) -> bool:
        return any(dispute.state == DisputeState.OPEN for dispute in self.disputes)

    @property
    def is_disputed(self) -> bool:
        """The customer has gone to their bank, and has not been refused there. An inquiry is no dispute yet."""
        return any(dispute.state in (DisputeState.OPEN, DisputeState.LOST) for dispute in self.disputes)

    @property
    def refundable_minor(self) -> int:
        """What may still be refunded: nothing while a bank decides, unless the gateway says otherwise.

        https://docs.stripe.com/api/disputes/object#dispute_object-is_charge_refundable: all its disputes must say so.
        """
        if any(dispute.state == DisputeState.OPEN and not dispute.charge_refundable for dispute in self.disputes):
            return 0
        at_bank = sum([dispute.at_bank_minor for dispute in self.disputes])
        given_back = sum(self.refunds.values()) + self.elsewhere_minor + self.refund_pending_minor
        return max(0, self.amount_minor - given_back - at_bank)

    @property
    def lost_minor(self) -> int:
        """What lost disputes have given to the customer, as far as it is not counted as given back already."""
        lost = sum([dispute.lost_minor for dispute in self.disputes]) if self.disputes else 0
        return min(lost, self.amount_minor - self.refunded_minor - self.refund_pending_minor)


class PlanReason(StrEnum):
    """What entitles us to take money now."""

    ACCEPTED = "accepted"
    REVIEW_ENDED = "review_ended"
    FEE = "fee"
    HOLD_EXPIRING = "hold_expiring"


class PlannedLeg(Struct, frozen=True):
    operation: Operation
    amount_minor: int


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settlement: the legs still to come, in order. `card_usable`: no charge on the saved card has failed.

    `tip_minor`: what the customer adds to the bill with these legs; not owed, and gone once the card is declined.
    `customer_until`: for so long whoever asked for it is taken to be there, to answer their bank.
    """

    reason: PlanReason
    legs: tuple[PlannedLeg, ...]
    card_usable: bool
    tip_minor: int = 0
    customer_until: datetime | None = None
