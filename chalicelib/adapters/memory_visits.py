"""The store of visits in a dictionary, for fast tests; it keeps the contract of Visits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb.table import visit_position, visits_partition
from chalicelib.adapters.memory_store import MemoryStore, page
from chalicelib.domain.trust.credits import mark_sha256
from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.store import Page, VersionConflict
from chalicelib.ports.visits import VisitKey

if TYPE_CHECKING:
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.trust.figures import Figures


class MemoryVisits:
    """`store`: under whose lock visits are written."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.visits: dict[VisitKey, Visit] = {}
        self._figures: dict[str, Figures] = {}

    def find_visits(self, keys: Collection[VisitKey]) -> Mapping[VisitKey, Visit]:
        with self._store.lock:
            return {key: self.visits[key] for key in keys if key in self.visits}

    def put_visit(self, visit: Visit, before: Visit | None) -> None:
        assert visit.customer_id is not None, "a tab has its customer"
        key = (visit.merchant_id, visit.customer_id, visit.tab_id)
        with self._store.lock:
            stored = self.visits.get(key)
            if (stored.seq if stored else None) != (before.seq if before else None):
                raise VersionConflict(visit.tab_id)
            self.visits[key] = visit

    def find_unlinked(self, merchant_id: str, customer_id: str, fingerprint: str) -> Customer | None:
        with self._store.lock:
            if self._users(merchant_id, fingerprint).get(customer_id):
                return None
        return self._store.find_customers(merchant_id, [customer_id]).get(customer_id)

    def note_card(self, merchant_id: str, customer_id: str, fingerprint: str, *, limit: int) -> Sequence[str]:
        with self._store.lock:
            linked = self._users(merchant_id, fingerprint)
            linked[customer_id] = False
            return sorted(linked.keys() - {customer_id})[:limit]

    def note_linked(self, merchant_id: str, customer_id: str, fingerprint: str) -> None:
        with self._store.lock:
            self._users(merchant_id, fingerprint)[customer_id] = True

    def _users(self, merchant_id: str, fingerprint: str) -> dict[str, bool]:
        """Inside the lock."""
        return self._store.cards.setdefault((merchant_id, mark_sha256(merchant_id, "card", fingerprint)), {})

    def list_visits_by_customer(self, merchant_id: str, customer_id: str, since: datetime) -> Sequence[Visit]:
        with self._store.lock:
            of = [visit for key, visit in self.visits.items() if key[:2] == (merchant_id, customer_id)]
        recent = [(visit.opened_at, visit) for visit in of if visit.opened_at and visit.opened_at >= since]
        return [visit for _, visit in sorted(recent, key=lambda pair: (pair[0], pair[1].tab_id))]

    def list_visits_by_merchant(
        self, merchant_id: str, since: datetime, until: datetime, *, limit: int, cursor: str | None
    ) -> Page[Visit]:
        with self._store.lock:
            rows = {
                visit_position(visit): visit
                for key, visit in self.visits.items()
                if key[0] == merchant_id and visit.opened_at is not None and since <= visit.opened_at <= until
            }
        return page(rows, visits_partition(merchant_id), limit, cursor)

    def find_figures(self, merchant_id: str) -> Figures | None:
        return self._figures.get(merchant_id)

    def put_figures(self, figures: Figures) -> None:
        self._figures[figures.merchant_id] = figures
