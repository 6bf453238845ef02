"""The words of reconciliation: what the gateway has of a payment, what we have of a tab, and how the two may differ."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.draft import Entry
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.tab import Tab

OVERDUE_AFTER = timedelta(hours=1)
"""By now the sweep, which runs every few minutes, has tried many times."""


class Code(StrEnum):
    """What kind of difference it is. docs/reconciliation.md says of each what an operator does."""

    # Explained by news that never reached us
    OUTCOME_NOT_RECORDED = "outcome_not_recorded"
    EFFECT_AFTER_END = "effect_after_end"
    CAPTURED_PAST_US = "captured_past_us"
    HOLD_ENDED = "hold_ended"
    REFUND_PAST_US = "refund_past_us"
    REFUND_CHANGED = "refund_changed"
    DISPUTE_NOT_RECORDED = "dispute_not_recorded"
    DISPUTE_CHANGED = "dispute_changed"
    EVENT_MISSED = "event_missed"
    # Explained by something of ours that was not done
    POINTER_MISSING = "pointer_missing"
    OVERDUE = "overdue"
    # For a person
    TAB_MISSING = "tab_missing"
    MERCHANT_MISSING = "merchant_missing"
    ATTEMPT_MISSING = "attempt_missing"
    MADE_TWICE = "made_twice"
    OBJECT_MISSING = "object_missing"
    ACCOUNT_DIFFERS = "account_differs"
    CURRENCY_DIFFERS = "currency_differs"
    AMOUNT_DIFFERS = "amount_differs"
    STATE_DIFFERS = "state_differs"
    HOLD_STILL_LIVE = "hold_still_live"
    POINTER_ELSEWHERE = "pointer_elsewhere"
    RECORD_MISSING = "record_missing"
    LEDGER_WRONG = "ledger_wrong"


REPAIRABLE = frozenset(
    {
        Code.OUTCOME_NOT_RECORDED,
        Code.EFFECT_AFTER_END,
        Code.CAPTURED_PAST_US,
        Code.HOLD_ENDED,
        Code.REFUND_PAST_US,
        Code.REFUND_CHANGED,
        Code.DISPUTE_NOT_RECORDED,
        Code.DISPUTE_CHANGED,
        Code.EVENT_MISSED,
        Code.POINTER_MISSING,
        Code.OVERDUE,
    }
)


class Difference(Struct, frozen=True, kw_only=True):
    """One difference. `object_id`: the gateway's object it is about. `facts`: what explains it, to be brought in."""

    code: Code
    text: str
    merchant_id: str | None = None
    tab_id: str | None = None
    attempt_id: str | None = None
    object_id: str | None = None
    account: str | None = None
    facts: tuple[Fact, ...] = ()

    @property
    def is_repairable(self) -> bool:
        return self.code in REPAIRABLE

    @property
    def key(self) -> tuple[str | None, ...]:
        """What makes it the same difference when the tab is looked at again."""
        return self.code, self.merchant_id, self.tab_id, self.attempt_id, self.object_id


class Payment(Struct, frozen=True, kw_only=True):
    """A payment as the gateway has it, in facts: `told` is what it is now, None for what no fact tells.

    `merchant_id`, `tab_id`, `attempt_id`: from our metadata, None if it bears none. `refunds` and `disputes`: the
    facts of all there are, oldest first; where not all were asked for, `is_whole` is False. `fees`: what the gateway
    kept of all of them.
    """

    payment_id: str
    currency: str
    made_at: datetime
    told: Fact | None
    merchant_id: str | None = None
    tab_id: str | None = None
    attempt_id: str | None = None
    refunds: tuple[Fact, ...] = ()
    disputes: tuple[Fact, ...] = ()
    fees: tuple[Fact, ...] = ()
    is_whole: bool = True


class Records(Struct, frozen=True, kw_only=True):
    """Everything we have on record of one tab; `tab` is None where its snapshot is gone and other rows are not.

    `entries`: its history, oldest first. `attempts`: the closed ones. `fact_keys`: of the facts that were applied.
    """

    tab: Tab | None
    entries: tuple[Entry, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    fact_keys: frozenset[str] = frozenset()

    def attempt(self, attempt_id: str | None) -> Attempt | None:
        """Open or closed."""
        closed = next((attempt for attempt in self.attempts if attempt.attempt_id == attempt_id), None)
        return closed or (self.tab.attempt(attempt_id) if self.tab else None)
