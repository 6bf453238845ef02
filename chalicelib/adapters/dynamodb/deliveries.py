"""The store of deliveries in DynamoDB: beside the tab they are about, in a partition of its merchant otherwise."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb import items, table
from chalicelib.adapters.dynamodb.reads import OnTable, flat
from chalicelib.adapters.dynamodb.writes import Check, Put, Refused, new_change_id, reading, versioned
from chalicelib.domain.news.delivery import Delivery
from chalicelib.ports.store import DueDelivery, VersionConflict

if TYPE_CHECKING:
    from chalicelib.adapters.dynamodb.table import Key
    from chalicelib.domain.contact import Channel
    from chalicelib.domain.news.message import Message
    from chalicelib.domain.tab.tab import Tab


class DynamoDbDeliveries(OnTable):
    """Implements ports.Deliveries."""

    def find_of(self, message: Message) -> tuple[Delivery, ...]:
        prefix = table.sent_prefix(message.message_id)
        return self._between(message.merchant_id, message.tab_id, prefix, f"{prefix}~")

    def put(self, delivery: Delivery, *, while_at: Tab | None = None) -> None:
        puts = [versioned(items.delivery_item(delivery), delivery.version - 1)]
        if delivery.provider_id is not None:
            puts.append(Put(items.provider_item(delivery, self._wall_now_s())))
        checks = []
        if while_at is not None:
            tab = table.tab_key(while_at.merchant_id, while_at.tab_id)
            checks.append(Check(tab, "version = :base", {":base": {"N": str(while_at.version)}}))
        try:
            self._transactions.write(puts, new_change_id(), checks=checks)
        except Refused:
            raise VersionConflict(delivery.message.message_id) from None

    def list_of_entries(self, merchant_id: str, tab_id: str, first: int, last: int) -> tuple[Delivery, ...]:
        return self._between(merchant_id, tab_id, f"SENT#{tab_id}.{first:08}.", f"SENT#{tab_id}.{last:08}.~")

    def find_by_provider_id(self, channel: Channel, provider_id: str) -> Delivery | None:
        if not table.is_id(provider_id):
            return None
        pointer = self._reads.find(table.provider_key(channel, provider_id))
        item = None if pointer is None else self._reads.find(items.delivery_key_of(pointer))
        return None if item is None else items.contents(Delivery, item)

    def find_due(self, due: DueDelivery) -> Delivery | None:
        item = self._reads.find(table.sent_key(due.merchant_id, due.tab_id, due.message_id, None))
        return None if item is None else items.contents(Delivery, item)

    def count_sms(self, merchant_id: str, on: date, number: str, country: str) -> None:
        for key in self._count_keys(merchant_id, on, number, country):
            with reading():
                self._client.update_item(
                    TableName=self._table_name,
                    Key=key,
                    UpdateExpression="ADD sent :one SET #ttl = :ttl",
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues={":one": {"N": "1"}, ":ttl": items.count_ttl(self._wall_now_s())},
                )

    def sms_counted(self, merchant_id: str, on: date, number: str, country: str) -> tuple[int, int]:
        by_number, by_country = self._count_keys(merchant_id, on, number, country)
        found = self._reads.find_all([by_number, by_country])
        return items.count_of(found.get(flat(by_number))), items.count_of(found.get(flat(by_country)))

    @staticmethod
    def _count_keys(merchant_id: str, on: date, number: str, country: str) -> tuple[Key, Key]:
        return table.number_count_key(merchant_id, on, number), table.country_count_key(merchant_id, on, country)

    def _between(self, merchant_id: str, tab_id: str | None, first: str, last: str) -> tuple[Delivery, ...]:
        """All deliveries whose sort keys lie between; a message has a few, a page of entries has some dozens."""
        partition = table.owner_partition(merchant_id, tab_id)
        return tuple(items.contents(Delivery, item) for item in self._reads.range({"S": partition}, first, last))
