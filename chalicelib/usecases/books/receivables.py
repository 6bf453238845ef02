"""The owner's report of what is unpaid: by age, expected payments by day, expiring holds, and exposure by customer.

It reads the listings of tabs that are not closed, which may lag a moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import islice

from msgspec import Struct

from chalicelib.domain.news.dates import local_date
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import Actor
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import TabSummary
from chalicelib.usecases.tab.listings import unfinished_of_merchant
from chalicelib.usecases.tab.requests import merchant_of

AGES = ((0, "not_due"), (7, "up_to_7_days"), (30, "8_to_30_days"), (90, "31_to_90_days"))
OLDEST = "over_90_days"
EXPIRING_WITHIN = timedelta(hours=48)
MOST_TABS = 5000
"""The number of tabs that one report reads at most. If there are more, it is marked as incomplete."""


class ExpiringHold(Struct, frozen=True, kw_only=True):
    tab_id: str
    customer_id: str
    held_minor: int
    capture_before: datetime


class Receivables(Struct, frozen=True, kw_only=True):
    """Amounts in the merchant's currency. `ageing`: balance by age; `expected`: automatic charges by local day.

    `exposure`: by customer, what the business loses if nothing more is paid. `is_complete`: every tab was read.
    """

    currency: str
    at: datetime
    total_minor: int
    ageing: Mapping[str, int]
    expected: Mapping[date, int]
    expiring_holds: tuple[ExpiringHold, ...]
    exposure: Mapping[str, int]
    is_complete: bool


def receivables(deps: Deps, *, by: Actor) -> Receivables:
    """Raises NotFound (no such merchant)."""
    merchant = deps.store.get_merchant(merchant_of(by))
    now = deps.clock.now()
    lines = list(islice(unfinished_of_merchant(deps, merchant.merchant_id), MOST_TABS + 1))
    return _report(merchant, lines[:MOST_TABS], now, is_complete=len(lines) <= MOST_TABS)


def _report(merchant: Merchant, lines: list[TabSummary], now: datetime, *, is_complete: bool) -> Receivables:
    ageing = dict.fromkeys([name for _, name in AGES] + [OLDEST], 0)
    expected: dict[date, int] = defaultdict(int)
    exposure: dict[str, int] = defaultdict(int)
    expiring = []
    for line in lines:
        ageing[age_of(line, now)] += line.balance_minor
        if line.exposure_minor:
            exposure[line.customer_id] += line.exposure_minor
        if line.expected_at is not None and line.balance_minor:
            expected[local_date(line.expected_at, merchant.policy.time_zone)] += line.balance_minor
        if line.hold_expires_at is not None and line.hold_expires_at <= now + EXPIRING_WITHIN:
            expiring.append(
                ExpiringHold(
                    tab_id=line.tab_id,
                    customer_id=line.customer_id,
                    held_minor=line.held_minor,
                    capture_before=line.hold_expires_at,
                )
            )
    return Receivables(
        currency=merchant.currency,
        at=now,
        total_minor=sum(line.balance_minor for line in lines),
        ageing=ageing,
        expected=dict(sorted(expected.items())),
        expiring_holds=tuple(sorted(expiring, key=lambda hold: hold.capture_before)),
        exposure=dict(sorted(exposure.items(), key=lambda owed: -owed[1])),
        is_complete=is_complete,
    )


def age_of(line: TabSummary, now: datetime) -> str:
    """The age bracket: days since the bill became due."""
    if line.due_at is None or line.due_at > now:
        return AGES[0][1]
    days = (now - line.due_at).days
    return next((name for most, name in AGES[1:] if days <= most), OLDEST)
