"""An attempt: one recorded try at moving money, with its outcome, which may be unknown (money rules 2 to 6)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


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
