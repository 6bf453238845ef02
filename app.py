"""The Chalice app: blueprints, authorizer and schedules. Everything else is in chalicelib/."""

from __future__ import annotations

# First: everything that is loaded after it loads faster (see chalicelib/__init__.py).
from chalicelib import cold_start

# isort: split
import logging
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Cron, Rate

from chalicelib import bootstrap
from chalicelib.handlers import logs
from chalicelib.handlers.api import bills, contacts, customers, merchants, problems, reports, tabs
from chalicelib.handlers.api import service as pages
from chalicelib.handlers.authorizer import authorizer_routes
from chalicelib.handlers.events import stripe_webhook

log = logging.getLogger(__name__)
logs.configure()

app = Chalice(app_name="aftertab", configure_logs=False)
app.api.binary_types = []  # All bodies are text, which API Gateway must pass on unchanged.
app.register_middleware(problems.dress, "http")
app.register_blueprint(authorizer_routes)
for resource in (pages, merchants, customers, contacts, tabs, bills, reports, stripe_webhook):
    app.register_blueprint(resource.routes)


@app.schedule(Rate(5, unit=Rate.MINUTES))
def advance(event: CloudWatchEvent) -> dict[str, int]:
    """Every five minutes: advance every tab that is due."""
    # Imported here and below: the API should not load what only the schedules need.
    from chalicelib.usecases.tab.advance_tab import advance_due_tabs

    swept = advance_due_tabs(bootstrap.get_deps())
    counted = {"TabsAdvanced": swept.advanced, "TabsNotAdvanced": len(swept.failed), "SweepLagSeconds": swept.lag_s}
    log.info("swept", extra={"metrics": counted})
    return {"advanced": swept.advanced, "failed": len(swept.failed)}


@app.schedule(Cron("17", "3", "*", "*", "?", "*"))
def reconcile(event: CloudWatchEvent) -> dict[str, Any]:
    """Every night at 03:17 UTC: compare Stripe's objects of the last days with our records."""
    from chalicelib.handlers.events import reconciliation

    return reconciliation.daily(bootstrap.get_deps())


@app.lambda_function(name="webhook")
def webhook(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The webhook's route as a separate function, so that many customers at once do not delay Stripe's events."""
    answer: dict[str, Any] = app(event, context)
    return answer


cold_start.ready(__name__, bootstrap.prepare)
