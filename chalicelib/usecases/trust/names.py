"""Links a customer's names: written when a card or a phone number becomes known, so that opening a tab need not ask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from chalicelib.domain.contact import SearchBy
from chalicelib.domain.parties import Customer
from chalicelib.domain.trust.names import MOST_NAMES, with_same_card, with_same_phone
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict

log = logging.getLogger(__name__)

ROUNDS = 8
Link = Callable[[Customer, Collection[Customer]], Customer]


def link_by_phone(deps: Deps, customer: Customer, phone: str) -> None:
    """Earlier customers with this number, in E.164, are known to the customer, and the customer to later ones."""
    found = deps.people.find_customers(customer.merchant_id, SearchBy.PHONE, phone, limit=MOST_NAMES, cursor=None)
    others = [other for other in found.items if other.customer_id != customer.customer_id]
    _link_all(deps, customer, others, with_same_phone)


def link_by_card(deps: Deps, merchant_id: str, customer_id: str, fingerprint: str) -> None:
    """Customers who have used this card know of each other. Nobody in particular has no standing, and so no names.

    One request where there is nothing to do: whoever comes again pays with the same card.
    """
    customer = deps.visits.find_unlinked(merchant_id, customer_id, fingerprint)
    if customer is None or customer.is_anonymous:
        return
    other_ids = deps.visits.note_card(merchant_id, customer_id, fingerprint, limit=MOST_NAMES)
    others = deps.store.find_customers(merchant_id, other_ids)
    if _link_all(deps, customer, list(others.values()), with_same_card):
        # Last: a relay that dies before comes again.
        deps.visits.note_linked(merchant_id, customer_id, fingerprint)


def _link_all(deps: Deps, customer: Customer, others: Sequence[Customer], link: Link) -> bool:
    """Write on the customer all whom they know now, and on each of these the customer; nothing where it stands already.

    Each is a write of its own, and a repetition goes on where the first ended. Who was changed by somebody else
    meanwhile is read again with the customer, and only they. False: they were changed each time, and somebody has to
    come again.
    """
    for _ in range(ROUNDS):
        known = link(customer, others)
        if _is_written(deps, customer, known):
            others = [other for other in others if not _is_written(deps, other, link(other, [known]))]
            if not others:
                return True
        ids = [customer.customer_id, *(other.customer_id for other in others)]
        found = deps.store.find_customers(customer.merchant_id, ids)
        if customer.customer_id not in found:
            return True
        customer = found[customer.customer_id]
        others = [found[other.customer_id] for other in others if other.customer_id in found]
    log.warning("a customer was changed by others each time, so a name of theirs is not known yet")
    return False


def _is_written(deps: Deps, before: Customer, changed: Customer) -> bool:
    """Whether the change is stored, or there is none; False if the customer was changed since they were read."""
    if changed is before:
        return True
    try:
        deps.store.update_customer(changed)
    except VersionConflict:
        return False
    log.info("a customer is known under another name")
    return True
