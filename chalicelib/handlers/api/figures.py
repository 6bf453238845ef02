"""A merchant's figures: forecast and integrity for its owner, and what of them customers may see."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api import figure_views
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, GUEST, OWNER, Call, Reply, Routes
from chalicelib.usecases.trust import figures
from chalicelib.usecases.trust.shown import find_published

routes = Routes(__name__)


@routes.operation("GET", "/v1/reports/forecast", roles=OWNER, answer=figure_views.ForecastView)
def get_forecast(call: Call[None]) -> Reply:
    """What will be paid out in each of the next 13 weeks, and how sure that is; counted every night."""
    return Reply(body=figure_views.forecast(figures.get_figures(get_deps(), by=call.by)))


@routes.operation("GET", "/v1/reports/integrity", roles=OWNER, answer=figure_views.IntegrityView)
def get_integrity(call: Call[None]) -> Reply:
    """How the business kept its promises in the last 90 days, in counts; counted every night."""
    return Reply(body=figure_views.integrity(figures.get_figures(get_deps(), by=call.by)))


@routes.operation(
    "GET", "/v1/merchant/integrity", roles=BUSINESS | CUSTOMER | GUEST, answer=figure_views.ShownIntegrity
)
def get_published_integrity(call: Call[None]) -> Reply:
    """The same as customers see it before they agree, if the owner shows it (branding.shows_integrity)."""
    return Reply(body=figure_views.shown(find_published(get_deps(), by=call.by)))
