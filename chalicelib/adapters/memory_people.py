"""The people store in dictionaries, for fast tests; it keeps the contract of People and nothing beyond the process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from threading import Lock

from chalicelib.adapters.dynamodb.table import listing_position
from chalicelib.adapters.memory_store import MemoryStore, page
from chalicelib.domain.contact import Contact, SearchBy, reference_values, search_values, searchable
from chalicelib.domain.parties import Customer
from chalicelib.domain.trust.story import Story
from chalicelib.ports.store import IdempotencyRecord, Page, VersionConflict


class MemoryPeople:
    """`store`: where the customers themselves are, and the records of requests."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._lock = Lock()
        self._contacts: dict[tuple[str, str], Contact] = {}

    def find_contact(self, merchant_id: str, customer_id: str) -> Contact | None:
        with self._lock:
            return self._contacts.get((merchant_id, customer_id))

    def find_contacts(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Contact]:
        with self._lock:
            found = {who: self._contacts.get((merchant_id, who)) for who in customer_ids}
        return {who: contact for who, contact in found.items() if contact is not None}

    def put_contact(self, contact: Contact, before: Contact | None, *, record: IdempotencyRecord | None = None) -> None:
        key = (contact.merchant_id, contact.customer_id)
        with self._lock:
            stored = self._contacts.get(key)
            if (stored.version if stored else 0) != contact.version - 1:
                raise VersionConflict(contact.customer_id)
            if record is not None:
                self._store.add_record(record)
            self._contacts[key] = contact

    def list_customers(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Customer]:
        rows = {listing_position(it.customer_id, it.created_at): it for it in self._store.customers_of(merchant_id)}
        return page(rows, f"customers#{merchant_id}", limit, cursor, newest_first=True)

    def find_customers(
        self, merchant_id: str, by: SearchBy, text: str, *, limit: int, cursor: str | None
    ) -> Page[Customer]:
        wanted = (by, searchable(by, text))
        found = {}
        for customer in self._store.customers_of(merchant_id):
            contact = self.find_contact(merchant_id, customer.customer_id)
            values = {*reference_values(customer), *(search_values(contact) if contact else ())}
            if wanted in values:
                found[customer.customer_id] = customer
        return page(found, f"found#{merchant_id}#{by}#{wanted[1]}", limit, cursor)

    def find_story(self, merchant_id: str, tab_id: str) -> Story | None:
        with self._store.lock:
            return self._store.stories.get((merchant_id, tab_id))

    def iter_stories(self, merchant_id: str) -> Iterator[Story]:
        with self._store.lock:
            found = sorted(key for key in self._store.stories if key[0] == merchant_id)
            stories = [self._store.stories[key] for key in reversed(found)]
        yield from stories
