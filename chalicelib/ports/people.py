"""The people store: contacts and stories, kept apart from tabs, and how customers are listed and found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from chalicelib.domain.contact import Contact, SearchBy
from chalicelib.domain.parties import Customer
from chalicelib.domain.trust.story import Story
from chalicelib.ports.store import IdempotencyRecord, Page


class People(Protocol):
    """Reads of single contacts are strongly consistent. Everything may raise StoreUnavailable."""

    def find_contact(self, merchant_id: str, customer_id: str) -> Contact | None:
        """None where none was ever given. One that was erased is empty."""
        ...

    def find_contacts(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Contact]:
        """The contacts of up to 100 customers of the merchant, by customer; who has none is left out."""
        ...

    def put_contact(self, contact: Contact, before: Contact | None, *, record: IdempotencyRecord | None = None) -> None:
        """Write the next version in place of `before`, with the customer's new search keys.

        All or nothing: what only `before` was found by goes in the same transaction. Raises VersionConflict where
        `before` is not what is stored, RecordExists.
        """
        ...

    def list_customers(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Customer]:
        """Newest first, from an index that lags a little. Raises InvalidInput for a cursor that is not ours."""
        ...

    def find_customers(
        self, merchant_id: str, by: SearchBy, text: str, *, limit: int, cursor: str | None
    ) -> Page[Customer]:
        """Customers whose `searchable` value is this text, by id. Raises InvalidInput for a cursor that is not ours."""
        ...

    def find_story(self, merchant_id: str, tab_id: str) -> Story | None:
        """What was told of this tab; without words once that was taken back. Written with the tab's change."""
        ...

    def iter_stories(self, merchant_id: str) -> Iterator[Story]:
        """All of the merchant's, those that were taken back too; of the newest tabs first, strongly consistent."""
        ...
