"""The people store in DynamoDB: contacts and the keys that customers are found under."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.reads import OnTable, flat
from chalicelib.adapters.dynamodb.writes import Put, versioned
from chalicelib.domain.contact import Contact, SearchBy, search_values, searchable
from chalicelib.domain.errors import InvalidInput
from chalicelib.ports.store import IdempotencyRecord, Page

if TYPE_CHECKING:
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.trust.story import Story


class DynamoDbPeople(OnTable):
    """Implements ports.people.People."""

    def find_contact(self, merchant_id: str, customer_id: str) -> Contact | None:
        item = self._reads.find(table.contact_key(merchant_id, customer_id))
        return None if item is None else items.contents(Contact, item)

    def find_contacts(self, merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Contact]:
        keys = {customer_id: table.contact_key(merchant_id, customer_id) for customer_id in customer_ids}
        found = self._reads.find_all(list(keys.values()))
        return {who: items.contents(Contact, found[flat(key)]) for who, key in keys.items() if flat(key) in found}

    def put_contact(self, contact: Contact, before: Contact | None, *, record: IdempotencyRecord | None = None) -> None:
        merchant_id, customer_id = contact.merchant_id, contact.customer_id
        known = set() if before is None else set(search_values(before))
        wanted = set(search_values(contact))
        puts = [versioned(items.contact_item(contact), contact.version - 1)]
        puts += [Put(items.lookup_item(merchant_id, by, text, customer_id)) for by, text in wanted - known]
        deletes = [table.lookup_key(merchant_id, by, text, customer_id) for by, text in known - wanted]
        self._write(puts, customer_id, record=record, deletes=deletes)

    def list_customers(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Customer]:
        partition = table.customers_partition(merchant_id)
        key_of = partial(table.customer_key, merchant_id)
        found, next_cursor = self._reads.newest("by_merchant", "gm", partition, key_of, limit, cursor)
        return Page(items=tuple(items.customer_line_of(item) for item in found), next_cursor=next_cursor)

    def find_customers(
        self, merchant_id: str, by: SearchBy, text: str, *, limit: int, cursor: str | None
    ) -> Page[Customer]:
        partition = table.lookup_key(merchant_id, by, searchable(by, text), "")["pk"]["S"]
        start = None
        if cursor is not None:
            customer_id = cursors.decode(partition, cursor)
            if not table.is_id(customer_id):
                raise InvalidInput("The cursor does not belong to this listing. Start again without it.")
            start = table.lookup_key(merchant_id, by, searchable(by, text), customer_id)
        found, has_more = self._reads.page(
            limit,
            start,
            KeyConditionExpression="pk = :partition",
            ExpressionAttributeValues={":partition": {"S": partition}},
            ConsistentRead=True,
        )
        ids = [item["sk"]["S"] for item in found]
        keys = [table.customer_key(merchant_id, customer_id) for customer_id in ids]
        profiles = self._reads.find_all(keys)
        return Page(
            items=tuple(items.customer_of(profiles[flat(key)]) for key in keys if flat(key) in profiles),
            next_cursor=cursors.encode(partition, ids[-1]) if has_more else None,
        )

    def find_story(self, merchant_id: str, tab_id: str) -> Story | None:
        if not (table.is_id(merchant_id) and table.is_id(tab_id)):
            return None
        item = self._reads.find(table.story_key(merchant_id, tab_id))
        return None if item is None else items.story_of(item)

    def iter_stories(self, merchant_id: str) -> Iterator[Story]:
        if table.is_id(merchant_id):
            pk = table.story_key(merchant_id, "")["pk"]
            found = self._reads.partition(pk, ConsistentRead=True, ScanIndexForward=False)
            yield from (items.story_of(item) for item in found)
