"""Flags: what a person at the business must look at, each for itself; who raises and lowers them is the facts' and
the commands'."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class FlagKind(StrEnum):
    """`refund_by_hand`: what is owed back and can't be refunded by itself. `stray`: news of a payment not ours."""

    OUTCOME_UNKNOWN = "outcome_unknown"
    CALL_REFUSED = "call_refused"
    MADE_IN_VAIN = "made_in_vain"
    REFUND_BY_HAND = "refund_by_hand"
    STRAY = "stray"
    OTHER_CURRENCY = "other_currency"


class Flag(Struct, frozen=True, kw_only=True):
    """One thing to look at. `about`: the attempt, refund, dispute or payment; `reason`: why, in words.

    `amount_minor`: what is owed back by hand, for `refund_by_hand`.
    """

    flag_id: str
    kind: FlagKind
    about: str
    reason: str
    raised_at: datetime
    amount_minor: int = 0
