"""The customer's record at the gateway: forgotten when it is gone, created again when needed."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.errors import Contention
from chalicelib.domain.parties import Customer
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict

_ROUNDS = 8


def forget_ref(deps: Deps, merchant_id: str, customer_id: str, gone_ref: str) -> None:
    """Forget an id that no longer exists, and the customer's card with it. Repeating it changes nothing."""
    for _ in range(_ROUNDS):
        customer = deps.store.get_customer(merchant_id, customer_id)
        if customer.customer_ref != gone_ref:
            return
        try:
            deps.store.update_customer(replace(customer, customer_ref=None, card=None, version=customer.version + 1))
        except VersionConflict:
            continue
        return
    raise Contention("The customer is being changed by others at the same time. Try again.")


def with_ref(deps: Deps, account: str | None, merchant_id: str, customer_id: str) -> Customer:
    """The customer with an id at the gateway, which is created if they have none.

    Raises GatewayUnavailable, GatewayRejected, Contention.
    """
    for _ in range(_ROUNDS):
        customer = deps.store.get_customer(merchant_id, customer_id)
        if customer.customer_ref is not None:
            return customer
        # Concurrent requests create only one, because the key names the version without an id.
        key = f"{customer_id}/{customer.version}"
        ref = deps.gateway.add_customer(account, merchant_id, customer_id, key=key)
        customer = replace(customer, customer_ref=ref, version=customer.version + 1)
        try:
            deps.store.set_customer_ref(customer, account=account)
        except VersionConflict:
            continue
        return customer
    raise Contention("The customer is being changed by others at the same time. Try again.")
