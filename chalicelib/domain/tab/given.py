"""The credit that a tab has given to accounts. The tab keeps it to take it back, and to let it expire."""

from datetime import datetime

from msgspec import Struct

from chalicelib.domain.trust.terms import LotKind


class GivenCredit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A lot that came with this tab. `kept_minor`: what was not taken back. `net_minor`: the service it is a rate of.

    `expires_at` None: it has expired, or nothing is left to expire. `is_told`: the customer was told that it can be
    spent.
    """

    lot_id: str
    customer_id: str
    kind: LotKind
    amount_minor: int
    kept_minor: int
    net_minor: int
    active_at: datetime
    expires_at: datetime | None
    is_told: bool = False


class TabCredits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`contested`: somebody was unhappy with this tab once, so it earns nothing."""

    given: tuple[GivenCredit, ...] = ()
    contested: bool = False
