"""The two-of-five rule: after two of five tabs at lower tiers, a customer gets a fixed price (docs/trust.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from chalicelib.domain.trust.tiers import WHOLE

if TYPE_CHECKING:
    from chalicelib.domain.trust.standing import History

TABS_LOOKED_AT = 5
LOOKED_BACK = timedelta(days=365)
"""The rule looks at so many tabs with tiers of a customer, opened within so long a time."""


def latest_tiers(history: History, now: datetime) -> list[int]:
    """At which tiers, in percent, the latest visits of a person ended: the newest first, five at most.

    Visits without tiers, and those still under review, do not count. The person's other names count as they do for
    standing: by card whole; by phone, which anybody can give, only the lower tiers.
    """
    against = [visit for visit in history.same_phone if visit.ended_at_percent != WHOLE]
    since = now - LOOKED_BACK
    ended = [
        (visit.opened_at, visit.ended_at_percent)
        for visit in (*history.own, *history.same_card, *against)
        if visit.opened_at is not None and visit.opened_at > since and visit.ended_at_percent is not None
    ]
    ended.sort(key=itemgetter(0))
    return [percent for _, percent in ended[: -TABS_LOOKED_AT - 1 : -1]]


def gets_fixed_price(latest_percents: Iterable[int], after: int) -> bool:
    """Whether so many of the customer's last five tabs with tiers ended at a lower one. `after` 0: never."""
    lower = sum(percent < WHOLE for percent in islice(latest_percents, TABS_LOOKED_AT))
    return 0 < after <= lower
