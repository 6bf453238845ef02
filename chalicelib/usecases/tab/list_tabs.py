"""Lists tabs by status or customer, and counts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.ports.store import Page, Span, TabSummary
from chalicelib.usecases.tab.requests import merchant_of

if TYPE_CHECKING:
    from chalicelib.ports.deps import Deps


class Wanted(Struct, frozen=True, kw_only=True):
    """Which tabs: of a status or a customer, one of the two; opened from `since` on and before `until`.

    No index knows `payment_state` and `staff` (the subject of who opened it): they are looked for in what is read.
    """

    status: Status | None = None
    customer_id: str | None = None
    payment_state: PaymentState | None = None
    staff: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False

    def takes(self, line: TabSummary) -> bool:
        return self.payment_state in (None, line.payment_state) and self.staff in (None, line.opened_by)

    @property
    def only(self) -> str:
        """What it takes of a listing, as its cursors say it."""
        return (
            msgspec.json.encode((self.payment_state, self.staff)).decode() if self.payment_state or self.staff else ""
        )


MOST_READS = 8
"""A page of what no index knows is looked for in so many pages; it may have fewer tabs than asked for, or none."""


def list_tabs(deps: Deps, wanted: Wanted, *, limit: int, cursor: str | None, by: Actor) -> Page[TabSummary]:
    """List by status or by customer, newest first by default; customers always get their own. Raises InvalidInput."""
    page_at = _listing(deps, wanted, by)
    found: list[TabSummary] = []
    for _ in range(MOST_READS):
        page = page_at(limit=limit - len(found), cursor=cursor)
        found += filter(wanted.takes, page.items)
        cursor = page.next_cursor
        if cursor is None or len(found) == limit:
            break
    return Page(items=tuple(found), next_cursor=cursor)


class Totals(Struct, frozen=True, kw_only=True):
    """Of all tabs of a listing, in the currency's smallest unit. `is_complete`: every one of them was read."""

    count: int = 0
    total_minor: int = 0
    amount_due_minor: int = 0
    paid_minor: int = 0
    is_complete: bool = True


MOST_COUNTED = 5000
_COUNTED_AT_ONCE = 500


def count_tabs(deps: Deps, wanted: Wanted, *, by: Actor) -> Totals:
    """How many tabs a listing has, and the sums of their amounts; of its first 5,000. Raises InvalidInput."""
    page_at = _listing(deps, wanted, by)
    totals, read, cursor = Totals(), 0, None
    while read < MOST_COUNTED:
        page = page_at(limit=_COUNTED_AT_ONCE, cursor=cursor)
        read, cursor = read + len(page.items), page.next_cursor
        for line in page.items:
            if wanted.takes(line):
                totals = Totals(
                    count=totals.count + 1,
                    total_minor=totals.total_minor + line.total_minor,
                    amount_due_minor=totals.amount_due_minor + line.amount_due_minor,
                    paid_minor=totals.paid_minor + line.paid_minor,
                )
        if cursor is None:
            return totals
    return replace(totals, is_complete=False)


def _listing(deps: Deps, wanted: Wanted, by: Actor) -> Callable[..., Page[TabSummary]]:
    """Reads a page of it. Raises InvalidInput."""
    status, customer_id = wanted.status, wanted.customer_id
    merchant_id = merchant_of(by)
    if by.role == Role.CUSTOMER:
        if status is not None or wanted.staff is not None or customer_id not in (None, by.customer_id):
            raise InvalidInput("Customers list their own tabs: leave out status, staff and customer_id.")
        customer_id = by.customer_id
    if (status is None) == (customer_id is None):
        raise InvalidInput("Give either status or customer_id.")
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise InvalidInput("opened_until must be later than opened_since.", field="opened_until")
    span = Span(
        since=wanted.since,
        until=wanted.until,
        oldest_first=wanted.oldest_first,
        only=wanted.only,
    )
    if status is not None:
        return partial(deps.store.list_by_status, merchant_id, status, span=span)
    assert customer_id is not None, "one of the two was given"
    return partial(deps.store.list_by_customer, merchant_id, customer_id, span=span)
