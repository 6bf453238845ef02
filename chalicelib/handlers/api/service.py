"""Public routes: health and the OpenAPI document."""

from __future__ import annotations

from chalicelib import config
from chalicelib.handlers.api import views
from chalicelib.handlers.api.operations import PUBLIC, Call, Reply, Routes

routes = Routes(__name__)


@routes.operation("GET", "/v1/health", roles=PUBLIC, answer=views.HealthView)
def health(call: Call[None]) -> Reply:
    """Say that the API answers. It does not check the table or Stripe."""
    return Reply(body=views.HealthView(status="ok", stage=config.stage(), version=config.VERSION))


@routes.operation("GET", "/v1/openapi.json", roles=PUBLIC, answer=None)
def openapi(call: Call[None]) -> Reply:
    """Get this document."""
    from chalicelib.handlers.api.openapi import document_bytes  # Imported here: only this route builds the document.

    return Reply(raw=document_bytes())
