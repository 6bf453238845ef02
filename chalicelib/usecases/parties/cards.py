"""Updates customer and tabs when a card is saved, removed, replaced by the bank, or refused for good."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict
from chalicelib.usecases.tab.attempts import ROUNDS, outcome_of, record_outcome, run
from chalicelib.usecases.tab.listings import unfinished_of_customer
from chalicelib.usecases.trust.names import link_by_card


def change_card(deps: Deps, customer: Customer, fact: Fact, *, but: str | None = None) -> Customer:
    """Apply a fact about a saved card to the customer and every unfinished tab. Repeating it changes nothing.

    `but`: a tab that the caller updates itself.
    """
    for _ in range(ROUNDS):
        card = _card_after(customer.card, fact)
        if card == customer.card:
            break
        changed = replace(customer, card=card, version=customer.version + 1)
        try:
            deps.store.update_customer(changed)
        except VersionConflict:
            customer = deps.store.get_customer(customer.merchant_id, customer.customer_id)
        else:
            customer = changed
    if fact.kind == FactKind.CARD_SAVED and fact.card is not None and fact.card.fingerprint:
        link_by_card(deps, customer.merchant_id, customer.customer_id, fact.card.fingerprint)
    for line in unfinished_of_customer(deps, customer.merchant_id, customer.customer_id):
        if line.tab_id == but:
            continue
        tab = deps.store.get_tab(customer.merchant_id, line.tab_id)
        tab, begun = record_outcome(deps, tab, outcome_of([fact]))
        run(deps, tab, begun)
    return customer


def _card_after(card: Card | None, fact: Fact) -> Card | None:
    """The customer's card after the fact."""
    if fact.kind == FactKind.CARD_SAVED:
        is_known = card is not None and fact.card is not None and card.card_id == fact.card.card_id
        return card if is_known else fact.card
    if card is None or card.card_id != fact.object_id:
        return card
    if fact.kind == FactKind.CARD_REFUSED:
        assert fact.failure is not None, "a refused card has its decline"
        return card if card.refused else replace(card, refused=fact.failure.decline_code or fact.failure.code)
    if fact.card is None:
        return None
    return replace(card, brand=fact.card.brand, last4=fact.card.last4, refused=None)
