"""The money of a tab: deposit, saved card, holds, payments (legs) with their disputes, and the plan of legs to come."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.domain.money import Currency, share_minor
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
    """The deposit's amount and state. `place_at`: when to place the hold on the saved card.

    `lapses_at`: until when it waits for the customer. `failures`: the declined placements so far.
    """

    amount_minor: int = 0
    state: DepositState = DepositState.NONE
    place_at: datetime | None = None
    lapses_at: datetime | None = None
    failures: int = 0


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A saved card: an opaque reference, and its brand and digits for people.

    `fingerprint`: the gateway's word for the card itself, the same whoever saves it, within one account.
    `refused`: the code of the decline after which it must not be tried again (Failure.is_final).
    """

    card_id: str
    brand: str
    last4: str
    saved_at: datetime
    refused: str | None = None
    fingerprint: str | None = None


class HoldState(StrEnum):
    LIVE = "live"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Hold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hold (authorization), by its id at the gateway.

    `clock_done_for`: the status in which the hold clock has acted. `fingerprint`: of the card that it is on.
    """

    payment_id: str
    attempt_id: str | None
    amount_minor: int
    placed_at: datetime
    capture_before: datetime
    state: HoldState = HoldState.LIVE
    captured_minor: int = 0
    clock_done_for: Status | None = None
    fingerprint: str | None = None


class DisputeState(StrEnum):
    """The state of a dispute. An inquiry only asks and takes no money."""

    INQUIRY = "inquiry"
    INQUIRY_CLOSED = "inquiry_closed"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


class Dispute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's bank disputes a payment, or a part of it.

    `withdrawn_minor`, `reinstated_minor`: the totals that the bank has taken and returned to us. `returned_minor`: of
    what it took, the part that was owed to the customer anyway and counts as refunded. `charge_refundable`: whether the
    gateway still refunds the payment during the dispute. `appealed_at`: when a decided dispute was reopened.
    `reason`: the network's, in the gateway's code. `programs`: of the network, that evidence may be given under.
    `respond_by`: until when the bank takes an answer; None: it takes none. `asked_at`: when we learned that it asks
    anew, because an inquiry has become a dispute. `staged_at`, `submitted_at`: when evidence was put there, and when
    it went to the bank, whoever did it; `submitted_by`: our attempt, if that did. `reminded`: whether the owner was
    reminded of the deadline.
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
    reason: str = ""
    programs: tuple[str, ...] = ()
    respond_by: datetime | None = None
    asked_at: datetime | None = None
    staged_at: datetime | None = None
    submitted_at: datetime | None = None
    submitted_by: str | None = None
    reminded: bool = False

    @property
    def awaits_answer(self) -> bool:
        """Whether evidence can still be given: the bank asks, takes an answer, and has none yet.

        An appeal is answered at the gateway: what the bank asks then has no fields there.
        """
        asks = self.state in (DisputeState.INQUIRY, DisputeState.OPEN) and self.appealed_at is None
        return asks and self.respond_by is not None and self.submitted_at is None

    @property
    def outstanding_minor(self) -> int:
        """What the bank has of our money now; negative while only the reinstatement was reported."""
        return self.withdrawn_minor - self.reinstated_minor

    @property
    def at_bank_minor(self) -> int:
        """What the bank has taken or will take, and so cannot be refunded by us as well."""
        if self.state == DisputeState.LOST:
            # The loss may be reported before the withdrawal.
            return max(0, (self.withdrawn_minor or self.amount_minor) - self.reinstated_minor)
        if self.state == DisputeState.OPEN:
            return max(self.amount_minor, self.outstanding_minor)
        return max(0, self.outstanding_minor)

    @property
    def lost_minor(self) -> int:
        """What a lost dispute has given to the customer and does not count as refunded yet."""
        return self.at_bank_minor - self.returned_minor if self.state == DisputeState.LOST else 0


class LegKind(StrEnum):
    CAPTURE = "capture"
    CHARGE = "charge"
    CASH = "cash"
    CREDIT = "credit"


NOT_AT_GATEWAY = frozenset({LegKind.CASH, LegKind.CREDIT})
"""Payments that no gateway has taken, reports, or refunds."""


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that was taken. Refunds are stored by their id at the gateway, so a repeated fact changes nothing.

    `failed_refunds`: refunds that have failed. `refund_failure`: why the next one is left to a person, in the gateway's
    code; None if it is not. `refund_again_at`: the gateway says that the bank decides first; asked again then.
    `elsewhere_minor`: given back past the gateway. `fraud_warning`: the warning of the card's bank, if there is one.
    `fingerprint`: the gateway's word for the card, the same for whoever uses it. `of_minor`: of a leg of credit, what
    the bill was when it was spent.
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
    fingerprint: str | None = None
    of_minor: int = 0
    disputes: tuple[Dispute, ...] = ()

    def credit_above_minor(self, bill_minor: int, currency: Currency) -> int:
        """What of a leg of credit is too much if the bill is `bill_minor` now: credit pays its part of the bill."""
        if self.kind != LegKind.CREDIT:
            return 0
        part_minor = share_minor(self.amount_minor, min(bill_minor, self.of_minor), self.of_minor, currency)
        return max(0, self.amount_minor - self.refunded_minor - part_minor)

    def dispute(self, dispute_id: str) -> Dispute | None:
        return next((dispute for dispute in self.disputes if dispute.dispute_id == dispute_id), None)

    @property
    def refunded_minor(self) -> int:
        """Everything that went back: through the gateway, outside it, or by the bank."""
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
        """Whether a dispute is open or lost. An inquiry is not a dispute yet."""
        return any(dispute.state in (DisputeState.OPEN, DisputeState.LOST) for dispute in self.disputes)

    @property
    def refundable_minor(self) -> int:
        """What can still be refunded: nothing while a bank decides, unless the gateway allows it.

        https://docs.stripe.com/api/disputes/object#dispute_object-is_charge_refundable: all its disputes must say so.
        """
        if any(dispute.state == DisputeState.OPEN and not dispute.charge_refundable for dispute in self.disputes):
            return 0
        at_bank = sum([dispute.at_bank_minor for dispute in self.disputes])
        given_back = sum(self.refunds.values()) + self.elsewhere_minor + self.refund_pending_minor
        return max(0, self.amount_minor - given_back - at_bank)

    @property
    def lost_minor(self) -> int:
        """What lost disputes have given to the customer and is not counted as refunded yet."""
        lost = sum([dispute.lost_minor for dispute in self.disputes]) if self.disputes else 0
        return min(lost, self.amount_minor - self.refunded_minor - self.refund_pending_minor)


class PlanReason(StrEnum):
    """The reason for which money is taken."""

    ACCEPTED = "accepted"
    REVIEW_ENDED = "review_ended"
    FEE = "fee"
    HOLD_EXPIRING = "hold_expiring"


class PlannedLeg(Struct, frozen=True):
    operation: Operation
    amount_minor: int


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settlement: the legs still to come, in order. `card_usable`: no charge on the saved card has failed.

    `tip_minor`: the tip paid with these legs; it is not owed, and dropped if the card is declined.
    `customer_until`: until then the customer is assumed to be present and able to authenticate.
    """

    reason: PlanReason
    legs: tuple[PlannedLeg, ...]
    card_usable: bool
    tip_minor: int = 0
    customer_until: datetime | None = None
