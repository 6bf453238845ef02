"""Flags: matters that a person at the business must look at. Facts and commands raise and remove them."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class FlagKind(StrEnum):
    """`refund_by_hand`: money owed back that cannot be refunded automatically.

    `stray`: a fact of an unknown payment. `objection`: a customer's, to what the tab says of them.
    `bill_not_told`: a bill whose customer nobody could tell of it.
    """

    OUTCOME_UNKNOWN = "outcome_unknown"
    CALL_REFUSED = "call_refused"
    MADE_IN_VAIN = "made_in_vain"
    REFUND_BY_HAND = "refund_by_hand"
    STRAY = "stray"
    OTHER_CURRENCY = "other_currency"
    BILL_NOT_TOLD = "bill_not_told"
    OBJECTION = "objection"


class Flag(Struct, frozen=True, kw_only=True):
    """One matter. `about`: the attempt, refund, dispute or payment; `reason`: why, in words.

    `amount_minor`: for `refund_by_hand`, the amount that is owed back.
    """

    flag_id: str
    kind: FlagKind
    about: str
    reason: str
    raised_at: datetime
    amount_minor: int = 0
