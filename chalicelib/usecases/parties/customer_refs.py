"""The customer's record at the gateway: forgotten when it is gone, created again when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.errors import Contention
from chalicelib.ports.store import VersionConflict

if TYPE_CHECKING:
    from chalicelib.domain.parties import Customer
    from chalicelib.ports.deps import Deps

_ROUNDS = 8


def forget_ref(deps: Deps, merchant_id: str, customer_id: str, gone_ref: str) -> Customer:
    """The customer without this id, which leads nowhere any more, and without the card that went with it.

    Twice changes nothing. Raises Contention.
    """
    for _ in range(_ROUNDS):
        customer = deps.store.get_customer(merchant_id, customer_id)
        if customer.customer_ref != gone_ref:
            return customer
        changed = replace(customer, customer_ref=None, card=None, version=customer.version + 1)
        try:
            deps.store.update_customer(changed)
        except VersionConflict:
            continue
        return changed
    raise Contention("Other requests are changing this customer. Nothing was done; try again.")


def with_ref(deps: Deps, account: str | None, customer: Customer) -> Customer:
    """The customer with an id at the gateway, a new one if they have none.

    Raises GatewayUnavailable, GatewayRejected, Contention.
    """
    for _ in range(_ROUNDS):
        if customer.customer_ref is not None:
            return customer
        # A key of its own for every try: under the same one the gateway answers an error of its own again for a day.
        # Two that meet here create two; one of them is unused and costs nothing.
        key = deps.ids.new("ref")
        ref = deps.gateway.add_customer(account, customer.merchant_id, customer.customer_id, key=key)
        changed = replace(customer, customer_ref=ref, version=customer.version + 1)
        try:
            deps.store.set_customer_ref(changed, account=account)
        except VersionConflict:
            customer = deps.store.get_customer(customer.merchant_id, customer.customer_id)
            continue
        return changed
    raise Contention("Other requests are changing this customer. Nothing was done; try again.")
