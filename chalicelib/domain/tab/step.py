"""A step of the agenda: what must happen next to a tab, when, and why. Which steps there are is the agenda's matter."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class StepKind(StrEnum):
    """The kinds of steps, in the order of their priority (money rule 5), by the names that callers know them by."""

    RESOLVE = "resolve"
    CLOSE_PAYMENT = "close_payment"
    HOLD_CLOCK = "hold_clock"
    RELEASE = "release"
    RETURN_CREDIT = "return_credit"
    REFUND = "refund"
    REFUND_BY_HAND = "refund_by_hand"
    TAKE_BACK_CREDIT = "take_back_credit"
    END_REVIEW = "end_review"
    BILL_NOT_TOLD = "bill_not_told"
    CONTEST_OVERDUE = "contest_overdue"
    CONTEST_DEFAULT = "contest_default"
    TAKE_LEG = "take_leg"
    TAKE_FEE = "take_fee"
    RETRY_CHARGE = "retry_charge"
    PLACE_HOLD = "place_hold"
    LAPSE_DEPOSIT = "lapse_deposit"
    RETURN_SHARE = "return_share"
    REMIND = "remind"
    TELL_END = "tell_end"
    CLOSE = "close"
    TELL_CREDIT = "tell_credit"
    EXPIRE_CREDIT = "expire_credit"
    TELL_PARENT = "tell_parent"
    EVIDENCE_DUE = "evidence_due"
    SUBMIT_EVIDENCE = "submit_evidence"
    ASK_STORY = "ask_story"


PRIORITY = {kind: place for place, kind in enumerate(StepKind)}
"""The most urgent kind has 0."""


class Step(Struct, frozen=True):
    """A step, when it is due, and why, in a merchant's words. `subject`: the attempt, payment or dispute concerned."""

    kind: StepKind
    at: datetime
    why: str
    subject: str | None = None
