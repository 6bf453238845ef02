"""The two-of-five rule: after two of five tabs at lower tiers, a customer gets a fixed price (design §13)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import islice

from chalicelib.domain.trust.tiers import WHOLE
from chalicelib.domain.trust.visit import Visit

TABS_LOOKED_AT = 5
LOOKED_BACK = timedelta(days=365)
"""The rule looks at so many tabs with tiers of a customer, opened within so long a time."""


def latest_tiers(visits: Iterable[Visit]) -> list[int]:
    """At which tiers, in percent, the latest of these visits ended: the newest first, five at most.

    `visits`: oldest first. Those without tiers, and those still under review, do not count.
    """
    ended = [percent for visit in visits if (percent := visit.ended_at_percent) is not None]
    return ended[: -TABS_LOOKED_AT - 1 : -1]


def gets_fixed_price(latest_percents: Iterable[int], after: int) -> bool:
    """Whether so many of the customer's last five tabs with tiers ended at a lower one. `after` 0: never."""
    lower = sum(percent < WHOLE for percent in islice(latest_percents, TABS_LOOKED_AT))
    return 0 < after <= lower
