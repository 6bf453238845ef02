"""Reads from one DynamoDB table (items by key, pages of a partition), and what all stores on it share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.writes import (
    FAILURES,
    TRIES,
    Put,
    Refused,
    Transactions,
    new_change_id,
    raise_if_unavailable,
    reading,
    record_put,
)
from chalicelib.domain.errors import InvalidInput
from chalicelib.ports.store import WHOLE, IdempotencyRecord, RecordExists, Span, StoreUnavailable, VersionConflict

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.adapters.dynamodb.items import Item
    from chalicelib.adapters.dynamodb.table import Key


BATCH = 100
"""The maximum number of items in one BatchGetItem."""


class Reads:
    """All of it may raise StoreUnavailable. `back_off`: waits before try number n (from 1)."""

    def __init__(self, client: DynamoDBClient, table_name: str, back_off: Callable[[int], None]) -> None:
        self._client = client
        self._table_name = table_name
        self._back_off = back_off

    def find(self, key: Key) -> Item | None:
        # What `reading` does, without a context: a hundredth of reading a tab.
        try:
            return self._client.get_item(TableName=self._table_name, Key=key, ConsistentRead=True).get("Item")
        except FAILURES as error:
            raise_if_unavailable(error)
            raise

    def find_all(self, keys: Sequence[Key]) -> dict[tuple[str, str], Item]:
        """The items under the keys, each given once, by key."""
        found: dict[tuple[str, str], Item] = {}
        for start in range(0, len(keys), BATCH):
            found |= self._batch(keys[start : start + BATCH])
        return found

    def find_listed(self, listed: Sequence[Item]) -> list[Item]:
        """The whole items of a page of an index that has the keys alone, in its order."""
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in listed]
        found = self.find_all(keys)
        return [found[flat(key)] for key in keys if flat(key) in found]

    def _batch(self, keys: Sequence[Key]) -> dict[tuple[str, str], Item]:
        """Whatever DynamoDB leaves out for lack of capacity is asked for again."""
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

    def newest(
        self,
        index: str,
        prefix: str,
        partition: str,
        key_of: Callable[[str], Key],
        limit: int,
        cursor: str | None,
        span: Span = WHOLE,
    ) -> tuple[list[Item], str | None]:
        """A page of an index's partition, newest first unless `span` says otherwise, and the cursor of the next one.

        `prefix`: of the names of the index's keys. `key_of`: the table's key of the item that a position ends with the
        id of (table.listing_position). Raises InvalidInput for a cursor that is not of this listing.
        """
        listing = f"{index}#{partition}{span.name}"
        pk, sk = f"{prefix}_pk", f"{prefix}_sk"
        start = None
        if cursor is not None:
            position, item_id = position_of(listing, cursor)
            start = key_of(item_id) | {pk: {"S": partition}, sk: {"S": position}}
        found, has_more = self.page(
            limit,
            start,
            IndexName=index,
            ScanIndexForward=span.oldest_first,
            **_within(pk, sk, partition, span),
        )
        return found, cursors.encode(listing, found[-1][sk]["S"]) if has_more else None

    def partition(self, pk: Item, **query: Any) -> Iterator[Item]:
        """Every item of a partition, in the order of the sort keys, page by page."""
        for items_of_page in self.partition_pages(pk, **query):
            yield from items_of_page

    def partition_pages(self, pk: Item, **query: Any) -> Iterator[Sequence[Item]]:
        """The same as pages, each a request, so that the caller can stop between two. `Limit`: the items of a page."""
        yield from self._pages(query | {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": pk}})

    def others(self, partition: str, but: str, *, limit: int) -> list[str]:
        """Up to `limit` sort keys of a partition other than `but`, in one request, strongly consistent."""
        # One more, because `but` may be among them.
        page = next(self.partition_pages({"S": partition}, ConsistentRead=True, Limit=limit + 1))
        return [item["sk"]["S"] for item in page if item["sk"]["S"] != but][:limit]

    def range(self, pk: Item, first: str, last: str) -> Iterator[Item]:
        """The items of a partition from one sort key to another, page by page, strongly consistent."""
        query = {
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {":pk": pk, ":first": {"S": first}, ":last": {"S": last}},
            "ConsistentRead": True,
        }
        for items_of_page in self._pages(query):
            yield from items_of_page

    def _pages(self, query: dict[str, Any]) -> Iterator[Sequence[Item]]:
        while True:
            with reading():
                answer = self._client.query(TableName=self._table_name, **query)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _within(pk: str, sk: str, partition: str, span: Span) -> dict[str, Any]:
    """The condition of the keys. Positions begin with an instant, so that texts sort like the times."""
    condition, values = f"{pk} = :partition", {":partition": {"S": partition}}
    if span.since is not None or span.until is not None:
        condition += f" AND {sk} BETWEEN :since AND :until"
        # What was opened exactly at the end has a position after the end: the id follows the instant.
        values[":since"] = {"S": table.instant(span.since) if span.since else "0"}
        values[":until"] = {"S": table.instant(span.until) if span.until else "9999"}
    return {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}


def flat(key: Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def position_of(listing: str, cursor: str) -> tuple[str, str]:
    """The position in an index that a cursor names, and the id that it ends with (table.listing_position).

    Raises InvalidInput for a cursor that is not of this listing.
    """
    position = cursors.decode(listing, cursor)
    item_id = position.rpartition("#")[2]
    if not table.is_id(item_id):
        raise InvalidInput("The cursor does not belong to this listing. Start again without it.")
    return position, item_id


class OnTable:
    """A store on the table. `clock_for_ttl`: the wall clock in seconds, for TTL attributes only."""

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        clock_for_ttl: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._wall_now_s = clock_for_ttl
        self._transactions = Transactions(client, table_name, sleep=sleep)
        self._reads = Reads(client, table_name, self._transactions.back_off)

    def _write(
        self, puts: Sequence[Put], what: str, *, record: IdempotencyRecord | None = None, deletes: Sequence[Key] = ()
    ) -> None:
        """All of it with the request's record, or nothing. Raises RecordExists, or else VersionConflict of `what`."""
        records = [] if record is None else [record_put(record, self._wall_now_s())]
        try:
            self._transactions.write([*puts, *records], new_change_id(), deletes=deletes)
        except Refused as refused:
            if records and len(puts) in refused.failed:
                raise RecordExists(items.record_of(refused.failed[len(puts)])) from None
            raise VersionConflict(what) from None

    def _put_alone(self, put: Put, what: str) -> None:
        """One item on its condition, at half the price of a transaction. Raises VersionConflict of `what`.

        Also where the answer to an earlier try of ours was lost: then it is written.
        """
        assert put.condition is not None, "without a condition nothing can be in conflict"
        more: Any = {"ExpressionAttributeValues": put.values} if put.values else {}
        try:
            with reading():
                self._client.put_item(
                    TableName=self._table_name, Item=put.item, ConditionExpression=put.condition, **more
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise VersionConflict(what) from None
