"""Public routes: health and the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from chalicelib import config
from chalicelib.handlers.api.operations import PUBLIC, Call, Reply, Routes
from chalicelib.handlers.api.views import Answer

routes = Routes(__name__)


class HealthView(Answer):
    status: Literal["ok"]
    stage: str
    version: str


@routes.operation("GET", "/v1/health", roles=PUBLIC, answer=HealthView)
def health(call: Call[None]) -> Reply:
    """Say that the API answers. It does not check the table or Stripe."""
    return Reply(body=HealthView(status="ok", stage=config.stage(), version=config.VERSION))


@routes.operation("GET", "/v1/openapi.json", roles=PUBLIC, answer=None)
def openapi(call: Call[None]) -> Reply:
    """Get this document."""
    from chalicelib.handlers.api.openapi import document_bytes  # Imported here: only this route builds the document.

    return Reply(raw=document_bytes())
