"""GET /v1/tabs/{tab_id}: a tab. Apart from tabs.py: most requests need nothing else."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api import render
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, GUEST, Call, Reply, Routes
from chalicelib.handlers.api.replies import tab_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab import read_tabs

routes = Routes(__name__)


@routes.operation("GET", "/v1/tabs/{tab_id}", roles=BUSINESS | CUSTOMER | GUEST, answer=TabView, tagged=True)
def get_tab(call: Call[None]) -> Reply:
    """Get a tab, with the payment that waits for the customer, if any."""
    tab = read_tabs.get_tab(get_deps(), call.path["tab_id"], by=call.by)
    return tab_reply(call, tab, render.waiting_payment(tab))
