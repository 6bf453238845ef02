"""GET /v1/tabs: tabs in a listing, page by page."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.handlers.api import listing_views, render_listings
from chalicelib.handlers.api.body import ID_PATTERN
from chalicelib.handlers.api.listed import Order, wanted_of
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, OPENED, Call, Query, Reply, Routes
from chalicelib.usecases.tab import list_tabs as tabs

routes = Routes(__name__)


@routes.operation(
    "GET",
    "/v1/tabs",
    roles=BUSINESS | CUSTOMER,
    answer=listing_views.TabList,
    query=(
        Query(name="status", kind=Status, description="Tabs in this status. For the business only."),
        Query(
            name="customer_id",
            kind=str,
            pattern=ID_PATTERN,
            description="Tabs of this customer. Customers always get their own.",
        ),
        Query(
            name="payment_state",
            kind=PaymentState,
            description="Only with this state of the money. A page may then have fewer tabs, or none: `next_cursor` "
            "says whether there are more.",
        ),
        Query(
            name="staff",
            kind=str,
            description="Only what this member of staff has opened: the `sub` of their token, `opened_by` in the "
            "answer. For the business only. A page may then have fewer tabs, as with `payment_state`.",
        ),
        *OPENED,
        Query(name="order", kind=Order, description="By when they were opened; `newest_first` if left out."),
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before, with the same filters."),
    ),
)
def list_tabs(call: Call[None]) -> Reply:
    """List tabs by status or by customer, newest first unless asked otherwise. The list may be a moment behind."""
    given = call.query
    wanted = wanted_of(given)
    page = tabs.list_tabs(get_deps(), wanted, limit=given["limit"], cursor=given["cursor"], by=call.by)
    return Reply(body=render_listings.tabs(page, by=call.by))
