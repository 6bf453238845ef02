"""Take an event from the gateway: verify it, find its tab, apply its facts once (money rule 9)."""

from __future__ import annotations

import logging
from datetime import timedelta

from chalicelib import correlation
from chalicelib.domain.errors import NotFound
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import BadSignature, GatewayEvent
from chalicelib.usecases.news.events import Misplaced, bring_in, claim, event_seen
from chalicelib.usecases.parties.accounts import note_connection

log = logging.getLogger(__name__)

PATIENCE = timedelta(hours=1)
"""For this long, an event about an unknown tab of ours is refused, so that the gateway delivers it again."""


class NotYetKnown(Exception):
    """The event names a tab that is not stored yet; it must be delivered again."""


def take_event(deps: Deps, payload: bytes, signature: str) -> str:
    """Handle a webhook; returns `handled`, `seen`, `ignored`, `unclaimed`, `misplaced` or `other_mode`.

    Raises BadSignature; NotYetKnown, GatewayUnavailable or StoreUnavailable if the event must be sent again.
    """
    try:
        event = deps.gateway.read_event(payload, signature)
    except BadSignature:
        log.warning("event refused", extra={"metrics": {"EventsRefused": 1}})
        raise
    # Metadata can be written in Stripe's dashboard.
    tab_id = event.tab_id if event.tab_id and correlation.is_of_ours(event.tab_id, "tab") else None
    with correlation.about(event_id=event.event_id, stripe_request_id=event.request_id, tab_id=tab_id):
        try:
            result = _take(deps, event)
        except Exception as error:
            log.warning("event not taken: %r", error, extra={"kind": event.kind, "metrics": {"EventsFailed": 1}})
            raise
        lag_s = max(0.0, (deps.clock.now() - event.occurred_at).total_seconds())
        counted = {_COUNTED[result]: 1, "EventLagSeconds": lag_s} if result in _COUNTED else {}
        log.info("event %s", result, extra={"kind": event.kind, "object_id": event.object_id, "metrics": counted})
    return result


_COUNTED = {
    "handled": "EventsHandled",
    "seen": "EventsRepeated",
    "unclaimed": "EventsUnclaimed",
    "misplaced": "EventsMisplaced",
    "other_mode": "EventsOfOtherMode",
}


def _take(deps: Deps, event: GatewayEvent) -> str:
    if not event.is_relevant:
        return "ignored"
    if not event.is_of_our_mode:
        # Accepted, because a live endpoint of Connect is also sent the events of test mode
        # (https://docs.stripe.com/connect/webhooks), and Stripe disables it if it keeps refusing them.
        return "other_mode"
    if event.is_connected is not None:
        return "handled" if note_connection(deps, event) else "ignored"
    event, stored = claim(deps, event)
    if stored.is_seen:
        return "seen"
    if event.merchant_id is None:
        return "ignored"
    try:
        bring_in(deps, event, stored)
    except Misplaced as misplaced:
        log.error("event not believed: %s", misplaced, extra={"account": event.account, "object_id": event.object_id})
        deps.store.add_event(event_seen(event))
        return "misplaced"
    except NotFound:
        if deps.clock.now() - event.occurred_at < PATIENCE:
            raise NotYetKnown(event.event_id) from None
        log.error("event about something of ours that nobody knows: %s", event.object_id)
        deps.store.add_event(event_seen(event))
        return "unclaimed"
    return "handled"
