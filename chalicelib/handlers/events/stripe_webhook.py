"""/v1/webhooks/stripe: passes the raw bytes and their signature on; the status tells Stripe whether to send again."""

from __future__ import annotations

from typing import Literal

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api.operations import PUBLIC, Call, Reply, Routes
from chalicelib.handlers.api.views import Answer
from chalicelib.ports.gateway import BadSignature
from chalicelib.usecases.news.take_event import take_event

routes = Routes(__name__)


class WebhookView(Answer):
    result: Literal["handled", "seen", "ignored", "unclaimed", "misplaced", "other_mode"]


@routes.operation("POST", "/v1/webhooks/stripe", roles=PUBLIC, answer=WebhookView)
def stripe_webhook(call: Call[None]) -> Reply:
    """Take an event from Stripe, signed over the raw body."""
    signature = call.http.headers.get("stripe-signature")
    if not signature:
        raise BadSignature("no Stripe-Signature header")
    result = take_event(get_deps(), call.raw_body, str(signature))
    return Reply(body=WebhookView(result=result))  # type: ignore[arg-type]
