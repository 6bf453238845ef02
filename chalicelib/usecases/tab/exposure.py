"""Checks the policy's limits on unpaid amounts, per customer and per merchant, before they grow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.domain.errors import ExposureExceeded
from chalicelib.domain.money import format_amount
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.usecases.tab.listings import unfinished_of_customer, unfinished_of_merchant

if TYPE_CHECKING:
    from chalicelib.domain.tab.policy import Policy
    from chalicelib.ports.deps import Deps


def check_exposure(
    deps: Deps,
    policy: Policy,
    *,
    merchant_id: str,
    customer_id: str,
    more_minor: int,
    currency: str,
    level: Level = Level.NEW,
) -> None:
    """Raises ExposureExceeded if `more_minor` on top of what is unpaid would exceed a limit.

    `level`: the customer's; their limit grows with it. Without a limit, no query.
    """
    if limit := policy.exposure_per_customer_minor:
        if policy.standing is not None:
            from chalicelib.domain.trust.standing import exposure_limit_minor  # Imported here: few policies have both.

            limit = exposure_limit_minor(limit, level, policy.standing, currency)
        lines = unfinished_of_customer(deps, merchant_id, customer_id)
        # What shares owe may come back to this customer. For the business the shares count themselves.
        unpaid = (line.exposure_minor + line.shared_minor for line in lines)
        _check(unpaid, more_minor, limit, currency, "this customer")
    if limit := policy.exposure_per_merchant_minor:
        unpaid = (line.exposure_minor for line in unfinished_of_merchant(deps, merchant_id))
        _check(unpaid, more_minor, limit, currency, "this business")


def _check(unpaid: Iterable[int], more_minor: int, limit_minor: int, currency: str, whose: str) -> None:
    unpaid_minor = sum(unpaid)
    if unpaid_minor + more_minor > limit_minor:
        raise ExposureExceeded(
            f"Too much would be unpaid at once for {whose}: at most {format_amount(limit_minor, currency)}. "
            "Have an open bill paid first, or raise the limit in the policy.",
            limit_minor=limit_minor,
            unpaid_minor=unpaid_minor,
        )
