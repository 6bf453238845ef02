"""Take an event from the gateway: verify, find its tab, bring its facts in once (money rule 9)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from chalicelib import correlation
from chalicelib.domain.errors import NotFound
from chalicelib.domain.facts import Fact, FactKind
from chalicelib.domain.tab import Tab
from chalicelib.ports import BadSignature, Deps, GatewayEvent, KnownOfEvent, SeenEvent, VersionConflict
from chalicelib.usecases.attempts import ROUNDS, outcome_of, record_outcome, run
from chalicelib.usecases.cards import change_card

log = logging.getLogger(__name__)

PATIENCE = timedelta(hours=1)
"""For so long an event about something of ours that we can't find is sent back, to be delivered again."""


class NotYetKnown(Exception):
    """The event is ours, about a tab that is not on record yet: let it be delivered again."""


def take_event(deps: Deps, payload: bytes, signature: str) -> str:
    """What became of the event: `handled`, `seen`, `ignored` or `unclaimed`.

    Raises BadSignature, NotYetKnown, and GatewayUnavailable or StoreUnavailable, after which it is to be sent again.
    """
    try:
        event = deps.gateway.read_event(payload, signature)
    except BadSignature:
        log.warning("event refused", extra={"metrics": {"EventsRefused": 1}})
        raise
    with correlation.about(event_id=event.event_id, stripe_request_id=event.request_id, tab_id=event.tab_id):
        try:
            result = _take(deps, event)
        except Exception as error:
            log.warning("event not taken: %r", error, extra={"kind": event.kind, "metrics": {"EventsFailed": 1}})
            raise
        lag_s = max(0.0, (deps.clock.now() - event.occurred_at).total_seconds())
        counted = {_COUNTED[result]: 1, "EventLagSeconds": lag_s} if result in _COUNTED else {}
        log.info("event %s", result, extra={"kind": event.kind, "object_id": event.object_id, "metrics": counted})
    return result


_COUNTED = {"handled": "EventsHandled", "seen": "EventsRepeated", "unclaimed": "EventsUnclaimed"}


def _take(deps: Deps, event: GatewayEvent) -> str:
    if not event.is_relevant:
        return "ignored"
    seen = SeenEvent(account=event.account, event_id=event.event_id)
    # One read for all: an event that is delivered again, or whose tab its metadata names, needs no other.
    known = deps.store.find_for_event(seen, tab=_tab_of(event), object_ids=_objects_of(event))
    if known.is_seen:
        return "seen"
    event = _with_owner(deps, event, known)
    if event.merchant_id is None:
        return "ignored"
    facts = deps.gateway.facts_of(event)
    try:
        _keep_card(deps, event, facts)
        _bring_in(deps, event, known.tab, facts, seen)
    except NotFound:
        if deps.clock.now() - event.occurred_at < PATIENCE:
            raise NotYetKnown(event.event_id) from None
        log.error("event about something of ours that nobody knows: %s", event.object_id)
        deps.store.add_event(seen)
        return "unclaimed"
    return "handled"


def _tab_of(event: GatewayEvent) -> tuple[str, str] | None:
    if event.merchant_id is None or event.tab_id is None:
        return None
    return event.merchant_id, event.tab_id


def _objects_of(event: GatewayEvent) -> list[str]:
    """Whose pointers may say what the event is about, where it does not say so itself; the first one found counts."""
    if event.ours:
        return []
    return [object_id for object_id in (event.object_id, event.payment_id, event.customer_ref) if object_id]


def _with_owner(deps: Deps, event: GatewayEvent, known: KnownOfEvent) -> GatewayEvent:
    """The event with the ids of what it is about: from its metadata, our pointers, else the payment's own metadata."""
    if event.ours:
        return event
    if known.pointers:
        pointer = known.pointers[0]
        return replace(
            event,
            merchant_id=pointer.merchant_id,
            customer_id=pointer.customer_id,
            tab_id=pointer.tab_id,
            attempt_id=pointer.attempt_id,
        )
    if event.payment_id is not None:
        event = deps.gateway.fetch_owner(event)
    return event if event.ours else replace(event, merchant_id=None)


def _bring_in(deps: Deps, event: GatewayEvent, tab: Tab | None, facts: tuple[Fact, ...], seen: SeenEvent) -> None:
    """`tab`: as it was read with the event; one that was written since is read again when the outcome is committed."""
    if event.tab_id is None:
        deps.store.add_event(seen)
        return
    assert event.merchant_id is not None, "its owner is known"
    tab = tab or deps.store.get_tab(event.merchant_id, event.tab_id)
    tab, begun = record_outcome(deps, tab, outcome_of(facts), event=seen)
    run(deps, tab, begun)


def _keep_card(deps: Deps, event: GatewayEvent, facts: tuple[Fact, ...]) -> None:
    """A card saved by setup is the customer's, for later tabs too; removed or replaced, all of theirs hear of it."""
    if event.customer_id is None or event.merchant_id is None:
        return
    for fact in facts:
        if fact.kind in (FactKind.CARD_REMOVED, FactKind.CARD_UPDATED):
            change_card(deps, deps.store.get_customer(event.merchant_id, event.customer_id), fact)
    card = next((fact.card for fact in facts if fact.kind == FactKind.CARD_SAVED), None)
    if card is None:
        return
    for _ in range(ROUNDS):
        customer = deps.store.get_customer(event.merchant_id, event.customer_id)
        if customer.card is not None and customer.card.card_id == card.card_id:
            return
        try:
            deps.store.update_customer(replace(customer, card=card, version=customer.version + 1))
            return
        except VersionConflict:
            continue
