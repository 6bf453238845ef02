"""GET /v1/tabs/{tab_id}/timeline: what has happened. Apart, because no other route of a tab needs what was told."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api import news_views, render_news
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, GUEST, Call, Query, Reply, Routes
from chalicelib.usecases.tab import read_tabs

routes = Routes(__name__)


@routes.operation(
    "GET",
    "/v1/tabs/{tab_id}/timeline",
    roles=BUSINESS | CUSTOMER | GUEST,
    answer=news_views.Timeline,
    query=(
        Query(name="limit", kind=int, minimum=1, maximum=100, default=50, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before."),
    ),
)
def get_timeline(call: Call[None]) -> Reply:
    """What has happened to the tab, oldest first, and what was told because of it. The business sees the postings."""
    page, deliveries = read_tabs.get_timeline(
        get_deps(), call.path["tab_id"], limit=call.query["limit"], cursor=call.query["cursor"], by=call.by
    )
    return Reply(body=render_news.timeline(page, deliveries, call.by))
