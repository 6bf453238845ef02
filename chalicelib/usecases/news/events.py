"""Handles a parsed event: finds its tab or customer and applies its facts. For webhooks and reconciliation."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.tab import crediting
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import GatewayEvent
from chalicelib.ports.store import KnownOfEvent, SeenEvent
from chalicelib.usecases.parties.cards import change_card
from chalicelib.usecases.parties.customer_refs import forget_ref
from chalicelib.usecases.tab.attempts import outcome_of, record_outcome, run


def event_seen(event: GatewayEvent) -> SeenEvent:
    return SeenEvent(account=event.account, event_id=event.event_id)


def claim(deps: Deps, event: GatewayEvent) -> tuple[GatewayEvent, KnownOfEvent]:
    """The event with the ids of its tab and attempt (no `merchant_id`: not ours), and what the store knows about it.

    The owner of an event that was handled before is not looked up.
    """
    # One read is enough for a repeated event, and for one whose metadata names the tab.
    stored = deps.store.find_for_event(event_seen(event), tab=_tab_of(event), object_ids=_objects_of(event))
    return (event if stored.is_seen else _with_owner(deps, event, stored)), stored


class Misplaced(Exception):
    """The event's account is not that of the tab it names, so nothing in it is applied."""


def bring_in(deps: Deps, event: GatewayEvent, stored: KnownOfEvent) -> None:
    """Apply the facts of a claimed event once, and perform what follows from them.

    Raises Misplaced, NotFound (its tab or customer is not on record), GatewayUnavailable, StoreUnavailable.
    """
    tab = stored.tab
    if tab is None and event.merchant_id is not None and event.tab_id is not None:
        tab = deps.store.get_tab(event.merchant_id, event.tab_id)
    _check_account(deps, event, tab)
    facts = deps.gateway.facts_of(event, wants_card=tab is not None and crediting.wants_card(tab, event.payment_id))
    _keep_card(deps, event, tab, facts)
    _bring_in(deps, event, tab, facts)


def _check_account(deps: Deps, event: GatewayEvent, tab: Tab | None) -> None:
    """Check the event's account, because any account can write our metadata. Raises Misplaced, NotFound."""
    accounts = set() if tab is None else {tab.account}
    if event.customer_id is not None and (tab is None or tab.customer_id != event.customer_id):
        assert event.merchant_id is not None, "its owner is known"
        accounts.add(deps.store.get_merchant(event.merchant_id).account)
    if accounts - {event.account}:
        raise Misplaced(f"{event.object_id} is in another account than what it names")


def _tab_of(event: GatewayEvent) -> tuple[str, str] | None:
    if event.merchant_id is None or event.tab_id is None:
        return None
    return event.merchant_id, event.tab_id


def _objects_of(event: GatewayEvent) -> list[str]:
    """The objects whose pointers can lead to the tab, if the event does not name it; the first pointer found counts."""
    if event.ours:
        return []
    return [object_id for object_id in (event.object_id, event.payment_id, event.customer_ref) if object_id]


def _with_owner(deps: Deps, event: GatewayEvent, stored: KnownOfEvent) -> GatewayEvent:
    """The event with the ids of its tab: from its metadata, our pointers, or the payment's own metadata."""
    if event.ours:
        return event
    pointers = stored.pointers
    if not pointers:
        object_ids = _objects_of(event)
        event = deps.gateway.fetch_owner(event)
        if event.ours:
            return event
        # The fetched event may name an object that has a pointer.
        new_ids = [object_id for object_id in _objects_of(event) if object_id not in object_ids]
        found = deps.store.find_pointers(event.account, new_ids) if new_ids else {}
        pointers = tuple(found[object_id] for object_id in new_ids if object_id in found)
    if not pointers:
        return replace(event, merchant_id=None)
    pointer = pointers[0]
    return replace(
        event,
        merchant_id=pointer.merchant_id,
        customer_id=pointer.customer_id,
        tab_id=pointer.tab_id,
        attempt_id=pointer.attempt_id,
    )


def _bring_in(deps: Deps, event: GatewayEvent, tab: Tab | None, facts: tuple[Fact, ...]) -> None:
    """Apply the facts to the tab. `tab`: as read with the event; if it has changed, the commit reads it again."""
    if tab is None:
        deps.store.add_event(event_seen(event))
        return
    tab, begun = record_outcome(deps, tab, outcome_of(facts), event=event_seen(event))
    run(deps, tab, begun)


def _keep_card(deps: Deps, event: GatewayEvent, tab: Tab | None, facts: tuple[Fact, ...]) -> None:
    """Apply facts of a saved card to the customer and all their tabs; the event's tab gets its other facts, too."""
    if event.merchant_id is None:
        return
    for fact in facts:
        customer_id = event.customer_id
        if fact.kind == FactKind.CUSTOMER_GONE and customer_id is not None:
            forget_ref(deps, event.merchant_id, customer_id, fact.object_id)
        if tab and fact.kind == FactKind.DECLINED and fact.card_id and fact.failure and fact.failure.is_final:
            customer_id = tab.customer_id
            fact = Fact(kind=FactKind.CARD_REFUSED, object_id=fact.card_id, at=fact.at, failure=fact.failure)
        if fact.kind in _OF_THE_CUSTOMER and customer_id is not None:
            customer = deps.store.get_customer(event.merchant_id, customer_id)
            change_card(deps, customer, fact, but=event.tab_id)


_OF_THE_CUSTOMER = frozenset(
    {
        FactKind.CARD_SAVED,
        FactKind.CARD_REMOVED,
        FactKind.CARD_UPDATED,
        FactKind.CARD_REFUSED,
        FactKind.CUSTOMER_GONE,
    }
)
