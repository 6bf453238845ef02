"""Links a customer's names: written when a card or a phone number becomes known, so that opening a tab need not ask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from chalicelib.domain.contact import SearchBy
from chalicelib.domain.errors import NotFound
from chalicelib.domain.parties import Customer
from chalicelib.domain.trust.names import MOST_NAMES, with_same_card, with_same_phone
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict

log = logging.getLogger(__name__)

ROUNDS = 8
Link = Callable[[Customer, Customer], Customer]


def link_by_phone(deps: Deps, customer: Customer, phone: str) -> None:
    """Earlier customers with this number, in E.164, are known to the customer, and the customer to later ones."""
    found = deps.people.find_customers(customer.merchant_id, SearchBy.PHONE, phone, limit=MOST_NAMES, cursor=None)
    _link_all(deps, customer, [other.customer_id for other in found.items], with_same_phone)


def link_by_card(deps: Deps, merchant_id: str, customer_id: str, fingerprint: str) -> None:
    """Customers who have used this card know of each other. Nobody in particular has no standing, and so no names."""
    try:
        customer = deps.store.get_customer(merchant_id, customer_id)
    except NotFound:
        return
    if not customer.is_anonymous:
        others = deps.visits.note_card(merchant_id, customer_id, fingerprint, limit=MOST_NAMES)
        if others is not None:
            _link_all(deps, customer, others, with_same_card)
            # Last: a relay that dies before comes again.
            deps.visits.note_linked(merchant_id, customer_id, fingerprint)


def _link_all(deps: Deps, customer: Customer, others: Iterable[str], link: Link) -> None:
    for other_id in others:
        if other_id != customer.customer_id:
            _link(deps, customer.merchant_id, customer.customer_id, other_id, link)


def _link(deps: Deps, merchant_id: str, customer_id: str, other_id: str, link: Link) -> None:
    """Write on each what it is to know of the other; nothing where it stands there already."""
    for _ in range(ROUNDS):
        try:
            customer = deps.store.get_customer(merchant_id, customer_id)
            other = deps.store.get_customer(merchant_id, other_id)
        except NotFound:
            return
        linked = (link(customer, other), link(other, customer))
        try:
            for changed, before in zip(linked, (customer, other), strict=True):
                if changed is not before:
                    deps.store.update_customer(changed)
                    log.info("a customer is known under another name")
        except VersionConflict:
            continue
        return
    log.warning("a customer was changed by others each time, so a name of theirs is not known yet")
