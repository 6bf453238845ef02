"""Names: which customers of one merchant are the same person, by their card or phone, as far as standing needs to know.

A card is proved by its bank, so each of its names counts for the other. A phone number is what somebody says: only the
later name knows of the earlier one, and only what speaks against that one counts (`domain/trust/standing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from chalicelib.domain.parties import Customer

MOST_NAMES = 12
"""The maximum of other names that are remembered, each way: more share a company's card, not a person's."""


def with_same_card(customer: Customer, others: Iterable[Customer]) -> Customer:
    """The customer's next version, who shares a card with the others; the same object if nothing is new.

    What the others were known by comes with them.
    """
    by_card, by_phone = set(customer.same_card), set(customer.same_phone)
    for other in others:
        by_card |= {other.customer_id, *other.same_card}
        by_phone.update(other.same_phone)
    return _known(customer, by_card, by_phone)


def with_same_phone(customer: Customer, others: Iterable[Customer]) -> Customer:
    """The customer's next version, who gives the phone number of the others; the same object if nothing is new.

    Only earlier customers become known to them.
    """
    by_phone = set(customer.same_phone)
    for other in others:
        if (other.created_at, other.customer_id) < (customer.created_at, customer.customer_id):
            by_phone |= {other.customer_id, *other.same_card, *other.same_phone}
    return _known(customer, set(customer.same_card), by_phone)


def _known(customer: Customer, by_card: set[str], by_phone: set[str]) -> Customer:
    itself = {customer.customer_id}
    same_card = by_card - itself
    same_phone = by_phone - same_card - itself
    changed = replace(
        customer,
        same_card=_kept(customer.same_card, same_card),
        same_phone=_kept(customer.same_phone, same_phone),
    )
    return customer if changed == customer else replace(changed, version=customer.version + 1)


def _kept(before: tuple[str, ...], wanted: set[str]) -> tuple[str, ...]:
    """Those that were known first, then the new ones, as many as are remembered."""
    known = [name for name in before if name in wanted]
    return (*known, *sorted(wanted - set(known)))[:MOST_NAMES]
