"""/v1/reports: the owner's reports over all tabs."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api import render, views
from chalicelib.handlers.api.operations import OWNER, Call, Reply, Routes
from chalicelib.usecases.books import receivables

routes = Routes(__name__)


@routes.operation("GET", "/v1/reports/receivables", roles=OWNER, answer=views.ReceivablesView)
def get_receivables(call: Call[None]) -> Reply:
    """What is unpaid: by age, expected by day, holds about to expire, and exposure by customer."""
    return Reply(body=render.receivables(receivables.receivables(get_deps(), by=call.by)))
