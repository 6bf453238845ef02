"""The types of reconciliation: a payment at the gateway, our records of a tab, and the differences between them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.tab import Tab

OVERDUE_AFTER = timedelta(hours=1)
"""After this time the sweep, which runs every few minutes, has tried many times."""


class Code(StrEnum):
    """The kind of a difference. docs/reconciliation.md says for each what an operator does."""

    # Explained by an event that never reached us
    OUTCOME_NOT_RECORDED = "outcome_not_recorded"
    EFFECT_AFTER_END = "effect_after_end"
    CAPTURED_PAST_US = "captured_past_us"
    HOLD_ENDED = "hold_ended"
    REFUND_PAST_US = "refund_past_us"
    REFUND_CHANGED = "refund_changed"
    DISPUTE_NOT_RECORDED = "dispute_not_recorded"
    DISPUTE_CHANGED = "dispute_changed"
    EVENT_MISSED = "event_missed"
    # Explained by work of ours that was not done
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
    """One difference. `object_id`: the gateway's object. `facts`: the missed facts that explain and repair it."""

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
        """The identity of the difference when the tab is compared again."""
        return self.code, self.merchant_id, self.tab_id, self.attempt_id, self.object_id


class Stage(StrEnum):
    """What of an account is walked, in this order."""

    PAYMENTS = "payments"
    REVERSALS = "reversals"
    EVENTS = "events"
    TABS = "tabs"


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The progress in an account: the next run continues after `after` in `stage`; None: everything was compared.

    `reported`: the keys of reported differences that are left for a person, so that each is reported once.
    """

    account: str | None
    since: datetime
    until: datetime
    stage: Stage | None = Stage.PAYMENTS
    after: str | None = None
    reported: tuple[str, ...] = ()


class Payment(Struct, frozen=True, kw_only=True):
    """A payment at the gateway, as facts. `state_fact`: its current state as a fact, None if no fact describes it.

    `merchant_id`, `tab_id`, `attempt_id`: from our metadata, None without it. `refunds` and `disputes`: the facts of
    all of them, oldest first; `is_whole` is False if not all were fetched. `fees`: the gateway's fees for all of them.
    """

    payment_id: str
    currency: str
    made_at: datetime
    state_fact: Fact | None
    merchant_id: str | None = None
    tab_id: str | None = None
    attempt_id: str | None = None
    refunds: tuple[Fact, ...] = ()
    disputes: tuple[Fact, ...] = ()
    fees: tuple[Fact, ...] = ()
    is_whole: bool = True


class Records(Struct, frozen=True, kw_only=True):
    """All records of one tab. `tab` is None if its snapshot is gone but other rows exist.

    `entries`: its history, oldest first. `attempts`: the closed ones. `fact_keys`: the keys of the applied facts.
    """

    tab: Tab | None
    entries: tuple[Entry, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    fact_keys: frozenset[str] = frozenset()

    def attempt(self, attempt_id: str | None) -> Attempt | None:
        """The attempt, open or closed."""
        closed = next((attempt for attempt in self.attempts if attempt.attempt_id == attempt_id), None)
        return closed or (self.tab.attempt(attempt_id) if self.tab else None)
