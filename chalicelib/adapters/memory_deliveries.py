"""The store of deliveries in dictionaries, for fast tests; it keeps the contract of Deliveries."""

from __future__ import annotations

from collections import Counter
from datetime import date

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import Delivery
from chalicelib.domain.news.message import Message
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import DueDelivery, VersionConflict

Key = tuple[str, str | None, str, Channel | None]
"""(merchant_id, tab_id, message_id, channel)"""


class MemoryDeliveries:
    """`store`: where the tabs are, under whose lock deliveries are written."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.deliveries: dict[Key, Delivery] = {}
        self._counted: Counter[tuple[str, date, str]] = Counter()

    def find_of(self, message: Message) -> tuple[Delivery, ...]:
        with self._store.lock:
            of = (message.merchant_id, message.tab_id, message.message_id)
            return tuple(delivery for key, delivery in self.deliveries.items() if key[:3] == of)

    def put(self, delivery: Delivery, *, while_at: Tab | None = None) -> None:
        key = _key(delivery)
        with self._store.lock:
            if while_at is not None:
                self._store.check_version(while_at)
            if getattr(self.deliveries.get(key), "version", 0) != delivery.version - 1:
                raise VersionConflict(delivery.message.message_id)
            self.deliveries[key] = delivery
            merchant_id, tab_id, message_id, channel = key
            self._store.set_due(DueDelivery(merchant_id, tab_id, message_id, channel or "-"), delivery.next_action_at)

    def list_of_entries(self, merchant_id: str, tab_id: str, first: int, last: int) -> tuple[Delivery, ...]:
        with self._store.lock:
            found = [
                delivery
                for delivery in self.deliveries.values()
                if (delivery.message.merchant_id, delivery.message.tab_id) == (merchant_id, tab_id)
                and first <= delivery.message.seq <= last
            ]
        return tuple(sorted(found, key=lambda delivery: (delivery.message.message_id, delivery.channel or "-")))

    def find_by_provider_id(self, channel: Channel, provider_id: str) -> Delivery | None:
        with self._store.lock:
            found = (it for it in self.deliveries.values() if (it.channel, it.provider_id) == (channel, provider_id))
            return next(found, None)

    def find_due(self, due: DueDelivery) -> Delivery | None:
        with self._store.lock:
            return self.deliveries.get((due.merchant_id, due.tab_id, due.message_id, None))

    def count_sms(self, merchant_id: str, on: date, number: str, country: str) -> None:
        with self._store.lock:
            self._counted.update([(merchant_id, on, number), (merchant_id, on, country)])

    def sms_counted(self, merchant_id: str, on: date, number: str, country: str) -> tuple[int, int]:
        with self._store.lock:
            return self._counted[merchant_id, on, number], self._counted[merchant_id, on, country]


def _key(delivery: Delivery) -> Key:
    message = delivery.message
    return message.merchant_id, message.tab_id, message.message_id, delivery.channel
