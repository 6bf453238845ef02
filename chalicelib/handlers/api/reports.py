"""/v1/reports: reports over all tabs."""

from __future__ import annotations

from msgspec.structs import asdict

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.handlers.api import listing_views, render_listings
from chalicelib.handlers.api.body import ID_PATTERN
from chalicelib.handlers.api.listed import wanted_of
from chalicelib.handlers.api.operations import BUSINESS, OPENED, OWNER, Call, Query, Reply, Routes
from chalicelib.usecases.books import receivables
from chalicelib.usecases.tab.list_tabs import count_tabs

routes = Routes(__name__)


@routes.operation("GET", "/v1/reports/receivables", roles=OWNER, answer=listing_views.ReceivablesView)
def get_receivables(call: Call[None]) -> Reply:
    """What is unpaid: by age, expected by day, holds about to expire, and exposure by customer."""
    return Reply(body=render_listings.receivables(receivables.receivables(get_deps(), by=call.by)))


@routes.operation(
    "GET",
    "/v1/reports/totals",
    roles=BUSINESS,
    answer=listing_views.TotalsView,
    query=(
        Query(name="status", kind=Status, description="Tabs in this status. This or `customer_id`."),
        Query(name="customer_id", kind=str, pattern=ID_PATTERN, description="Tabs of this customer."),
        Query(name="payment_state", kind=PaymentState, description="Only with this state of the money."),
        Query(
            name="staff", kind=str, description="Only what this member of staff has opened: the `sub` of their token."
        ),
        *OPENED,
    ),
)
def get_totals(call: Call[None]) -> Reply:
    """How many tabs a listing has, and the sums of their amounts."""
    wanted = wanted_of(call.query)
    return Reply(body=listing_views.TotalsView(**asdict(count_tabs(get_deps(), wanted, by=call.by))))
