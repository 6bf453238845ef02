"""The store of links and tokens in DynamoDB."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.reads import OnTable
from chalicelib.adapters.dynamodb.writes import ABSENT, Put, Refused, new_change_id, record_put, versioned
from chalicelib.domain.errors import TokenExists
from chalicelib.domain.tab.link import LinkPointer
from chalicelib.domain.token import Token
from chalicelib.ports.store import IdempotencyRecord, Page, RecordExists

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def digest(stage: str, secret: str) -> str:
    return hashlib.sha256(f"aftertab/{stage}/{secret}".encode()).hexdigest()


class DynamoDbLinks(OnTable):
    """Implements ports.links.Links. `stage`: whose secrets these are."""

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        stage: str,
        *,
        clock_for_ttl: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(client, table_name, clock_for_ttl=clock_for_ttl, sleep=sleep)
        self._stage = stage

    def digest(self, secret: str) -> str:
        return digest(self._stage, secret)

    def find_pointer(self, sha256: str) -> LinkPointer | None:
        item = self._reads.find(table.link_key(sha256))
        return None if item is None else items.contents(LinkPointer, item)

    def find_token(self, merchant_id: str, number: int) -> Token | None:
        item = self._reads.find(table.token_key(merchant_id, number))
        return None if item is None else items.contents(Token, item)

    def list_tokens(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Token]:
        partition = table.token_key(merchant_id, 0)["pk"]
        start = None
        if cursor is not None:
            start = {"pk": partition, "sk": {"S": cursors.decode(partition["S"], cursor)}}
        found, has_more = self._reads.page(
            limit,
            start,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": partition},
            ConsistentRead=True,
        )
        tokens = tuple(items.contents(Token, item) for item in found)
        next_cursor = cursors.encode(partition["S"], table.token_position(tokens[-1].number)) if has_more else None
        return Page(items=tokens, next_cursor=next_cursor)

    def add_tokens(self, tokens: Sequence[Token], *, record: IdempotencyRecord) -> None:
        puts = [record_put(record, self._wall_now_s())]
        puts += [Put(items.token_item(token), ABSENT) for token in tokens]
        puts += [Put(items.link_pointer_item(token.pointer)) for token in tokens]
        try:
            self._transactions.write(puts, new_change_id())
        except Refused as refused:
            if 0 in refused.failed:
                raise RecordExists(items.record_of(refused.failed[0])) from None
            raise TokenExists.of(
                [token.number for index, token in enumerate(tokens, 1) if index in refused.failed]
            ) from None

    def put_token(self, token: Token, before: Token, *, record: IdempotencyRecord) -> None:
        puts = [versioned(items.token_item(token), before.version)]
        deletes = []
        if token.revoked_at is None:
            puts.append(Put(items.link_pointer_item(token.pointer)))
        if token.revoked_at is not None or token.sha256 != before.sha256:
            deletes.append(table.link_key(before.sha256))
        self._write(puts, f"token {token.number}", record=record, deletes=deletes)
