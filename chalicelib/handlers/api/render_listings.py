"""Maps listings and reports to the structs of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.handlers.api import listing_views

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.ports.store import Page, TabSummary
    from chalicelib.usecases.books.receivables import Receivables


def tabs(page: Page[TabSummary], *, by: Actor) -> listing_views.TabList:
    """Only the business is told who has opened them."""
    fields = listing_views.TabLine.__struct_fields__
    hidden = {} if by.is_business else {"opened_by": None}
    return listing_views.TabList(
        tabs=[listing_views.TabLine(**{name: getattr(line, name) for name in fields} | hidden) for line in page.items],
        next_cursor=page.next_cursor,
    )


def receivables(report: Receivables) -> listing_views.ReceivablesView:
    return listing_views.ReceivablesView(
        currency=report.currency,
        at=report.at,
        total_minor=report.total_minor,
        ageing=dict(report.ageing),
        expected=[listing_views.ExpectedView(day=day, amount_minor=minor) for day, minor in report.expected.items()],
        expiring_holds=[
            listing_views.ExpiringHoldView(
                tab_id=hold.tab_id,
                customer_id=hold.customer_id,
                held_minor=hold.held_minor,
                capture_before=hold.capture_before,
            )
            for hold in report.expiring_holds
        ],
        exposure=[
            listing_views.ExposureView(customer_id=customer_id, amount_minor=minor)
            for customer_id, minor in report.exposure.items()
        ],
        is_complete=report.is_complete,
    )
