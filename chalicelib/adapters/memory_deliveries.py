"""The store of deliveries in dictionaries, for fast tests; it keeps the contract of Deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import Delivery
from chalicelib.domain.news.message import Message
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import DueDelivery, VersionConflict

Key = tuple[str, str | None, str]
"""(merchant_id, tab_id, message_id)"""


class MemoryDeliveries:
    """`store`: where the tabs are, under whose lock deliveries are written."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._deliveries: dict[Key, dict[Channel | None, Delivery]] = {}
        self._counted: Counter[tuple[str, date, str]] = Counter()

    def __iter__(self) -> Iterator[Delivery]:
        with self._store.lock:
            found = [delivery for of_one in self._deliveries.values() for delivery in of_one.values()]
        return iter(found)

    def find_of(self, message: Message) -> tuple[Delivery, ...]:
        with self._store.lock:
            return tuple(self._deliveries.get(_key(message), {}).values())

    def put(self, delivery: Delivery, *, while_at: Tab | None = None) -> None:
        key, channel = _key(delivery.message), delivery.channel
        with self._store.lock:
            if while_at is not None:
                self._store.check_version(while_at)
            of_one = self._deliveries.setdefault(key, {})
            if getattr(of_one.get(channel), "version", 0) != delivery.version - 1:
                raise VersionConflict(delivery.message.message_id)
            of_one[channel] = delivery
            self._store.set_due(DueDelivery(*key, channel or "-"), delivery.next_action_at)

    def list_of_entries(self, merchant_id: str, tab_id: str, first: int, last: int) -> tuple[Delivery, ...]:
        found = [
            delivery
            for delivery in self
            if (delivery.message.merchant_id, delivery.message.tab_id) == (merchant_id, tab_id)
            and first <= delivery.message.seq <= last
        ]
        return tuple(sorted(found, key=lambda delivery: (delivery.message.message_id, delivery.channel or "-")))

    def find_by_provider_id(self, channel: Channel, provider_id: str) -> Delivery | None:
        return next((it for it in self if (it.channel, it.provider_id) == (channel, provider_id)), None)

    def find_due(self, due: DueDelivery) -> Delivery | None:
        with self._store.lock:
            return self._deliveries.get((due.merchant_id, due.tab_id, due.message_id), {}).get(None)

    def count_sms(self, merchant_id: str, on: date, number: str, country: str) -> None:
        with self._store.lock:
            self._counted.update([(merchant_id, on, number), (merchant_id, on, country)])

    def sms_counted(self, merchant_id: str, on: date, number: str, country: str) -> tuple[int, int]:
        with self._store.lock:
            return self._counted[merchant_id, on, number], self._counted[merchant_id, on, country]


def _key(message: Message) -> Key:
    return message.merchant_id, message.tab_id, message.message_id
