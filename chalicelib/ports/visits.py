"""The store of visits: what each tab has come to, kept up by the relay and read by whatever trusts on facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.store import Page

if TYPE_CHECKING:
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.trust.figures import Figures

VisitKey = tuple[str, str, str]
"""(merchant_id, customer_id, tab_id)"""


class Visits(Protocol):
    """They lag behind the entries by what the stream takes, a second or two. Everything may raise StoreUnavailable."""

    def find_visits(self, keys: Collection[VisitKey]) -> Mapping[VisitKey, Visit]:
        """The visits of these tabs, as few requests as can be; those that are not projected yet are left out."""
        ...

    def put_visit(self, visit: Visit, before: Visit | None) -> None:
        """Write it in the place of `before` (None: none is stored). Raises VersionConflict if another is stored."""
        ...

    def find_unlinked(self, merchant_id: str, customer_id: str, fingerprint: str) -> Customer | None:
        """The customer, unless `note_linked` was called for them and this card: in one database request.

        None also for an unknown customer.
        """
        ...

    def note_card(self, merchant_id: str, customer_id: str, fingerprint: str, *, limit: int) -> Sequence[str]:
        """Remember that the customer uses this card, under a hash; up to `limit` others who do.

        Others of the merchant, strongly consistent. The customer is unlinked until `note_linked`.
        """
        ...

    def note_linked(self, merchant_id: str, customer_id: str, fingerprint: str) -> None:
        """Remember that the customer and those whom `note_card` returned know of each other.

        Who uses the card later finds this customer, and links both.
        """
        ...

    def list_visits_by_customer(self, merchant_id: str, customer_id: str, since: datetime) -> Sequence[Visit]:
        """Those that were opened at `since` or later, oldest first; strongly consistent."""
        ...

    def list_visits_by_merchant(
        self, merchant_id: str, since: datetime, until: datetime, *, limit: int, cursor: str | None
    ) -> Page[Visit]:
        """Those that were opened from `since` to `until`, oldest first. From an index, which lags a little.

        Raises InvalidInput for an invalid cursor.
        """
        ...

    def find_figures(self, merchant_id: str) -> Figures | None:
        """What was counted of the merchant's visits last; None where nothing was yet."""
        ...

    def put_figures(self, figures: Figures) -> None:
        """In the place of those before."""
        ...
