"""The store of endpoints and sendings in DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.reads import OnTable, position_of
from chalicelib.adapters.dynamodb.writes import ABSENT, Put, versioned
from chalicelib.domain.news.endpoint import Endpoint, Secrets
from chalicelib.domain.news.sending import KEPT, Sending
from chalicelib.ports.store import IdempotencyRecord, Page, VersionConflict

if TYPE_CHECKING:
    pass


class DynamoDbNotices(OnTable):
    """Implements ports.Notices."""

    # Endpoints

    def list_endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        first = table.endpoint_key(merchant_id, "")
        found = self._reads.range(first["pk"], first["sk"]["S"], table.endpoint_key(merchant_id, "~")["sk"]["S"])
        endpoints = [items.contents(Endpoint, item) for item in found]
        return tuple(sorted(endpoints, key=lambda endpoint: (endpoint.created_at, endpoint.endpoint_id)))

    def find_endpoint(self, merchant_id: str, endpoint_id: str) -> Endpoint | None:
        if not table.is_id(endpoint_id):
            return None
        item = self._reads.find(table.endpoint_key(merchant_id, endpoint_id))
        return None if item is None else items.contents(Endpoint, item)

    def find_secrets(self, merchant_id: str, endpoint_id: str) -> Secrets | None:
        item = self._reads.find(table.secrets_key(merchant_id, endpoint_id))
        return None if item is None else items.contents(Secrets, item)

    def put_endpoint(
        self, endpoint: Endpoint, *, secrets: Secrets | None = None, record: IdempotencyRecord | None = None
    ) -> None:
        puts = [versioned(items.endpoint_item(endpoint), endpoint.version - 1)]
        if endpoint.version == 1:
            puts.append(Put(items.slot_item(endpoint), ABSENT))
        if secrets is not None:
            puts.append(Put(items.secrets_item(secrets)))
        self._write(puts, endpoint.endpoint_id, record=record)

    def delete_endpoint(self, endpoint: Endpoint, *, record: IdempotencyRecord) -> None:
        deletes = [
            table.endpoint_key(endpoint.merchant_id, endpoint.endpoint_id),
            table.secrets_key(endpoint.merchant_id, endpoint.endpoint_id),
            table.slot_key(endpoint),
        ]
        self._write([], endpoint.endpoint_id, record=record, deletes=deletes)

    # Sendings

    def add_sending(self, sending: Sending) -> bool:
        assert sending.version == 1, "a new one"
        try:
            self.put_sending(sending)
        except VersionConflict:
            return False
        return True

    def put_sending(self, sending: Sending, *, record: IdempotencyRecord | None = None) -> None:
        put = versioned(items.sending_item(sending, self._wall_now_s(), KEPT), sending.version - 1)
        if record is None:
            # A job that takes its own earlier try for another's comes again when the claim has run out.
            self._put_alone(put, sending.notice.notice_id)
        else:
            self._write([put], sending.notice.notice_id, record=record)

    def find_sending(self, merchant_id: str, endpoint_id: str, notice_id: str) -> Sending | None:
        if not (table.is_id(endpoint_id) and table.is_id(notice_id)):
            return None
        item = self._reads.find(table.sending_key(merchant_id, endpoint_id, notice_id))
        return None if item is None else items.contents(Sending, item)

    def list_sendings_of_tab(self, merchant_id: str, endpoint_id: str, tab_id: str) -> Sequence[Sending]:
        pk = table.sending_key(merchant_id, endpoint_id, "")["pk"]
        return [items.contents(Sending, item) for item in self._reads.range(pk, f"{tab_id}-", f"{tab_id}-~")]

    def list_sendings(
        self,
        merchant_id: str,
        endpoint_id: str,
        since: datetime,
        until: datetime,
        *,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Page[Sending]:
        partition = table.sendings_partition(merchant_id, endpoint_id)
        start = None
        if cursor is not None:
            position, notice_id = position_of(partition, cursor)
            key = table.sending_key(merchant_id, endpoint_id, notice_id)
            start = key | {"gm_pk": {"S": partition}, "gm_sk": {"S": position}}
        found, has_more = self._reads.page(
            limit,
            start,
            IndexName="by_merchant",
            KeyConditionExpression="gm_pk = :partition AND gm_sk BETWEEN :since AND :until",
            ExpressionAttributeValues={
                ":partition": {"S": partition},
                ":since": {"S": table.instant(since)},
                # Whatever happened at that very instant has more behind it.
                ":until": {"S": table.instant(until)},
            },
            ScanIndexForward=not newest_first,
        )
        # The index has the keys alone, so that a try need not write it, too.
        return Page(
            items=tuple(items.contents(Sending, item) for item in self._reads.find_listed(found)),
            next_cursor=cursors.encode(partition, found[-1]["gm_sk"]["S"]) if has_more else None,
        )
