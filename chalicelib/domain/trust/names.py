"""Names: which customers of one merchant are the same person, by their card or phone, as far as standing needs to know.

A card is proved by its bank, so each of its names counts for the other. A phone number is what somebody says: only the
later name knows of the earlier one, and only what speaks against that one counts (`domain/trust/standing.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from chalicelib.domain.parties import Customer

MOST_NAMES = 12
"""The maximum of other names that are remembered, each way: more share a company's card, not a person's."""


def with_same_card(customer: Customer, others: Collection[Customer]) -> Customer:
    """The customer's next version, who shares a card with the others; the same object if nothing is new.

    What the others were known by comes with them, where there is room left for it.
    """
    brought = {name for other in others for name in other.same_card}
    by_phone = {name for other in others for name in other.same_phone}
    return _known(customer, [_ids(others), brought], [by_phone])


def with_same_phone(customer: Customer, others: Collection[Customer]) -> Customer:
    """The customer's next version, who gives the phone number of the others; the same object if nothing is new.

    Only earlier customers become known to them.
    """
    itself = (customer.created_at, customer.customer_id)
    earlier = [other for other in others if (other.created_at, other.customer_id) < itself]
    brought = {name for other in earlier for name in (*other.same_card, *other.same_phone)}
    return _known(customer, [], [_ids(earlier), brought])


def _ids(customers: Iterable[Customer]) -> set[str]:
    return {customer.customer_id for customer in customers}


def _known(customer: Customer, by_card: Iterable[set[str]], by_phone: Iterable[set[str]]) -> Customer:
    """`by_card`, `by_phone`: who is new, those whose mark it is before those whom they bring."""
    same_card = _kept(customer.same_card, by_card, but={customer.customer_id})
    # Whom the cards have no room for stays known by the phone.
    same_phone = _kept(customer.same_phone, by_phone, but={customer.customer_id, *same_card})
    changed = replace(customer, same_card=same_card, same_phone=same_phone)
    return customer if changed == customer else replace(changed, version=customer.version + 1)


def _kept(before: tuple[str, ...], new: Iterable[set[str]], *, but: set[str]) -> tuple[str, ...]:
    """Those that were known first, then the new ones, as many as are remembered."""
    names = dict.fromkeys([*before, *(name for some in new for name in sorted(some))])
    return tuple(name for name in names if name not in but)[:MOST_NAMES]
