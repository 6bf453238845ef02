"""Reads from one DynamoDB table: items by key, and pages of a partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import Item, Key
from chalicelib.adapters.dynamodb.writes import TRIES, reading
from chalicelib.ports.store import StoreUnavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class Reads:
    """All of it may raise StoreUnavailable. `back_off`: waits before try number n (from 1)."""

    def __init__(self, client: DynamoDBClient, table_name: str, back_off: Callable[[int], None]) -> None:
        self._client = client
        self._table_name = table_name
        self._back_off = back_off

    def find(self, key: Key) -> Item | None:
        with reading():
            return self._client.get_item(TableName=self._table_name, Key=key, ConsistentRead=True).get("Item")

    def find_all(self, keys: Sequence[Key]) -> dict[tuple[str, str], Item]:
        """The items under the keys, by key; whatever DynamoDB leaves out for lack of capacity is asked for again."""
        found: dict[tuple[str, str], Item] = {}
        request: dict[str, Any] = {self._table_name: {"Keys": list(keys), "ConsistentRead": True}}
        for number in range(TRIES):
            if number:
                self._back_off(number)
            with reading():
                answer = self._client.batch_get_item(RequestItems=request)
            found |= {flat(item): item for item in answer.get("Responses", {}).get(self._table_name, ())}
            request = dict(answer.get("UnprocessedKeys", {}))
            if not request:
                return found
        raise StoreUnavailable("the database is too busy to answer")

    def page(self, limit: int, start: Key | None, **query: Any) -> tuple[list[Item], bool]:
        """Up to `limit` items, and whether there are more: one too many is asked for to know."""
        if start is not None:
            query["ExclusiveStartKey"] = start
        with reading():
            answer = self._client.query(TableName=self._table_name, Limit=limit + 1, **query)
        found = answer["Items"]
        # Fewer than asked for and yet more to come: the answer had reached DynamoDB's 1 MB.
        return list(found[:limit]), len(found) > limit or "LastEvaluatedKey" in answer

    def partition(self, pk: Item, **query: Any) -> Iterator[Item]:
        """Every item of a partition, in the order of the sort keys, page by page."""
        query |= {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": pk}}
        while True:
            with reading():
                answer = self._client.query(TableName=self._table_name, **query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def flat(key: Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]
