"""Bodies of answers about many tabs: listings, totals, and what is owed."""

from __future__ import annotations

from datetime import date, datetime

from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.handlers.api.views import Answer


class TabLine(Answer):
    """A tab in a listing."""

    tab_id: str
    customer_id: str
    title: str
    status: Status
    payment_state: PaymentState
    currency: str
    total_minor: int
    amount_due_minor: int
    paid_minor: int
    opened_at: datetime
    opened_by: str | None
    starts_at: datetime | None
    version: int


class TabList(Answer):
    tabs: list[TabLine]
    next_cursor: str | None


class ExpectedView(Answer):
    day: date
    amount_minor: int


class ExpiringHoldView(Answer):
    tab_id: str
    customer_id: str
    held_minor: int
    capture_before: datetime


class ExposureView(Answer):
    customer_id: str
    amount_minor: int


class TotalsView(Answer):
    """Of the tabs that were asked for. `is_complete` is false if there were more than one report reads."""

    count: int
    total_minor: int
    amount_due_minor: int
    paid_minor: int
    is_complete: bool


class ReceivablesView(Answer):
    """`is_complete` is false if there were more tabs than one report reads."""

    currency: str
    at: datetime
    total_minor: int
    ageing: dict[str, int]
    expected: list[ExpectedView]
    expiring_holds: list[ExpiringHoldView]
    exposure: list[ExposureView]
    is_complete: bool
