"""The store of deliveries: what became of each message, on each channel."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import Delivery
from chalicelib.domain.news.message import Message
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import DueDelivery


class Deliveries(Protocol):
    """Reads are strongly consistent. Everything may raise StoreUnavailable."""

    def find_of(self, message: Message) -> tuple[Delivery, ...]:
        """All deliveries of this message: at most one a channel, and one that is about all channels."""
        ...

    def put(self, delivery: Delivery, *, while_at: Tab | None = None) -> None:
        """Write the next version (`delivery.version` is one above the stored; 1: none is stored).

        A delivery with a `provider_id` is found by that from now on, one with a `next_action_at` is due then.
        `while_at`: only while the tab is at this version. Raises VersionConflict, and then nothing is written.
        """
        ...

    def list_of_entries(self, merchant_id: str, tab_id: str, first: int, last: int) -> tuple[Delivery, ...]:
        """The deliveries of messages that follow from the tab's entries `first` to `last`, by entry."""
        ...

    def find_by_provider_id(self, channel: Channel, provider_id: str) -> Delivery | None: ...

    def find_due(self, due: DueDelivery) -> Delivery | None:
        """The delivery that the sweep found due, as it is now."""
        ...

    def count_sms(self, merchant_id: str, on: date, number: str, country: str) -> None:
        """Count a text message of the merchant to a number in a country. The number itself is not stored."""
        ...

    def sms_counted(self, merchant_id: str, on: date, number: str, country: str) -> tuple[int, int]:
        """How many text messages of the merchant were counted that day: to the number, and into the country."""
        ...
