"""Reads what counts for or against a customer: their visits, and those under their other names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.trust.fixed_price import LOOKED_BACK
from chalicelib.domain.trust.standing import History, Standing, read_back, standing_of
from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.deps import Deps


def read_standing(deps: Deps, policy: Policy, customer: Customer, now: datetime) -> Standing | None:
    """The customer's standing now; None where the policy trusts all alike, and for nobody in particular."""
    if policy.standing is None or customer.is_anonymous:
        return None
    return standing_of(read_history(deps, customer, policy.standing, now), policy.standing, now)


def read_history(deps: Deps, customer: Customer, terms: StandingTerms | None, now: datetime) -> History:
    """The customer's visits that may still count by these terms, and those under their other names; each a query.

    None: those that may count for the fixed price.
    """
    since = now - (read_back(terms) if terms else LOOKED_BACK)

    def visits(customer_ids: Iterable[str]) -> tuple[Visit, ...]:
        found = (deps.visits.list_visits_by_customer(customer.merchant_id, who, since) for who in customer_ids)
        return tuple(visit for of_one in found for visit in of_one)

    return History(
        own=visits([customer.customer_id]),
        same_card=visits(customer.same_card),
        same_phone=visits(customer.same_phone),
    )
