"""What becomes of customer and tabs when a saved card is removed, or replaced by the bank."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.facts.fact import Fact
from chalicelib.domain.tab.payments import Card
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict
from chalicelib.usecases.tab.attempts import ROUNDS, outcome_of, record_outcome, run
from chalicelib.usecases.tab.listings import unfinished_of_customer


def change_card(deps: Deps, customer: Customer, fact: Fact) -> Customer:
    """Bring the news of a saved card into the customer's record and every unfinished tab; twice changes nothing."""
    for _ in range(ROUNDS):
        if customer.card is None or customer.card.card_id != fact.object_id:
            break
        card = None
        if fact.card is not None:
            card = replace(customer.card, brand=fact.card.brand, last4=fact.card.last4)
        if card == customer.card:
            break
        changed = replace(customer, card=card, version=customer.version + 1)
        try:
            deps.store.update_customer(changed)
        except VersionConflict:
            customer = deps.store.get_customer(customer.merchant_id, customer.customer_id)
        else:
            customer = changed
    for line in unfinished_of_customer(deps, customer.merchant_id, customer.customer_id):
        tab = deps.store.get_tab(customer.merchant_id, line.tab_id)
        tab, begun = record_outcome(deps, tab, outcome_of([fact]))
        run(deps, tab, begun)
    return customer


def saved_cards(deps: Deps, customer: Customer) -> list[Card]:
    """The customer's own, and those that came with a payment and are kept on an unfinished tab only; each once."""
    cards = {} if customer.card is None else {customer.card.card_id: customer.card}
    for line in unfinished_of_customer(deps, customer.merchant_id, customer.customer_id):
        card = deps.store.get_tab(customer.merchant_id, line.tab_id).card
        if card is not None:
            cards[card.card_id] = card
    return list(cards.values())
