"""A fact: something that the gateway says has happened, whether by answer, webhook or lookup (money rule 3)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.attempt import Failure
from chalicelib.domain.tab.payments import (
    Card,
)


class FactKind(StrEnum):
    HOLD_PLACED = "hold_placed"
    HOLD_CAPTURED = "hold_captured"
    CHARGED = "charged"
    AWAITING_CUSTOMER = "awaiting_customer"
    PROCESSING = "processing"
    DECLINED = "declined"
    PAYMENT_CANCELED = "payment_canceled"
    PAYMENT_EXPIRED = "payment_expired"
    CARD_SAVED = "card_saved"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    INQUIRY_OPENED = "inquiry_opened"
    INQUIRY_CLOSED = "inquiry_closed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_APPEALED = "dispute_appealed"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_REINSTATED = "dispute_reinstated"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_PREVENTED = "dispute_prevented"
    EVIDENCE_STAGED = "evidence_staged"
    EVIDENCE_SUBMITTED = "evidence_submitted"
    FRAUD_WARNED = "fraud_warned"
    CUSTOMER_GONE = "customer_gone"
    CARD_REMOVED = "card_removed"
    CARD_UPDATED = "card_updated"
    CARD_REFUSED = "card_refused"
    PROCESSING_FEE = "processing_fee"


DISPUTE_STATES = frozenset(
    {
        FactKind.INQUIRY_OPENED,
        FactKind.INQUIRY_CLOSED,
        FactKind.DISPUTE_OPENED,
        FactKind.DISPUTE_APPEALED,
        FactKind.DISPUTE_WON,
        FactKind.DISPUTE_LOST,
        FactKind.DISPUTE_PREVENTED,
    }
)
"""The fact kinds of a dispute's state; its money has fact kinds of its own."""
REPEATABLE = frozenset({FactKind.AWAITING_CUSTOMER, FactKind.PROCESSING})


class Fact(Struct, frozen=True, kw_only=True):
    """Something that has happened at the gateway.

    `object_id`: the payment, setup, refund, dispute, card or balance transaction concerned. `amount_minor`: cumulative
    for that object. `currency`: the object's; None if it has none (a card). `attempt_id`: the attempt that made the
    object, from its metadata. `payment_id`: the payment that is refunded, disputed or charged a fee for.
    `refundable`, `reason`, `programs`, `respond_by`: with a dispute's state: whether the payment can still be refunded,
    the network's reason, its programs that evidence may be given under, and until when; None: none is taken.
    `fingerprint`: with HOLD_PLACED, HOLD_CAPTURED and CHARGED, that of the card, where the gateway tells it.
    `occurrence` distinguishes repeated declines of one payment. `capture_before` and `card` come with HOLD_PLACED,
    `card` also with CARD_SAVED, `failure` with DECLINED, CARD_REFUSED and REFUND_FAILED, `card_id` (the card that was
    declined) with DECLINED. With AWAITING_CUSTOMER comes `client_secret`, or `page_url` where `object_id` is a page of
    the gateway's.
    """

    kind: FactKind
    object_id: str
    at: datetime
    amount_minor: int = 0
    currency: str | None = None
    attempt_id: str | None = None
    payment_id: str | None = None
    occurrence: str = ""
    capture_before: datetime | None = None
    card: Card | None = None
    card_id: str | None = None
    client_secret: str | None = None
    page_url: str | None = None
    failure: Failure | None = None
    refundable: bool = False
    reason: str = ""
    programs: tuple[str, ...] = ()
    respond_by: datetime | None = None
    fingerprint: str | None = None

    @property
    def key(self) -> str | None:
        """The identity of the fact; None for facts that may be repeated and move no money."""
        if self.kind in REPEATABLE:
            return None
        return f"{self.object_id}:{self.kind}:{self.amount_minor}" + (f":{self.occurrence}" if self.occurrence else "")
