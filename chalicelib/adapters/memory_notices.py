"""The store of endpoints and sendings in dictionaries, for fast tests; it keeps the contract of Notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.adapters.dynamodb.table import listing_position, sendings_partition
from chalicelib.adapters.memory_store import MemoryStore, page
from chalicelib.domain.news.endpoint import Endpoint, Secrets
from chalicelib.domain.news.sending import Sending
from chalicelib.ports.store import DueNotice, IdempotencyRecord, Page, VersionConflict


class MemoryNotices:
    """`store`: where the records of requests are, and which finds what is due."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._secrets: dict[tuple[str, str], Secrets] = {}
        self._sendings: dict[tuple[str, str, str], Sending] = {}

    # Endpoints

    def list_endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        with self._store.lock:
            found = [endpoint for (owner, _), endpoint in self._endpoints.items() if owner == merchant_id]
        return tuple(sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.endpoint_id)))

    def find_endpoint(self, merchant_id: str, endpoint_id: str) -> Endpoint | None:
        with self._store.lock:
            return self._endpoints.get((merchant_id, endpoint_id))

    def find_secrets(self, merchant_id: str, endpoint_id: str) -> Secrets | None:
        with self._store.lock:
            return self._secrets.get((merchant_id, endpoint_id))

    def put_endpoint(
        self, endpoint: Endpoint, *, secrets: Secrets | None = None, record: IdempotencyRecord | None = None
    ) -> None:
        key = (endpoint.merchant_id, endpoint.endpoint_id)
        with self._store.writing(record):
            if getattr(self._endpoints.get(key), "version", 0) != endpoint.version - 1:
                raise VersionConflict(endpoint.endpoint_id)
            others = [it for (owner, _), it in self._endpoints.items() if owner == endpoint.merchant_id]
            if endpoint.version == 1 and endpoint.slot in {other.slot for other in others}:
                raise VersionConflict(endpoint.endpoint_id)
            self._endpoints[key] = endpoint
            if secrets is not None:
                self._secrets[key] = secrets

    def delete_endpoint(self, endpoint: Endpoint, *, record: IdempotencyRecord) -> None:
        key = (endpoint.merchant_id, endpoint.endpoint_id)
        with self._store.writing(record):
            self._endpoints.pop(key, None)
            self._secrets.pop(key, None)

    # Sendings

    def add_sending(self, sending: Sending) -> bool:
        try:
            self.put_sending(sending)
        except VersionConflict:
            return False
        return True

    def put_sending(self, sending: Sending, *, record: IdempotencyRecord | None = None) -> None:
        notice = sending.notice
        key = (notice.merchant_id, sending.endpoint_id, notice.notice_id)
        with self._store.writing(record):
            if getattr(self._sendings.get(key), "version", 0) != sending.version - 1:
                raise VersionConflict(notice.notice_id)
            self._sendings[key] = sending
            self._store.set_due(DueNotice(*key), sending.next_action_at)

    def find_sending(self, merchant_id: str, endpoint_id: str, notice_id: str) -> Sending | None:
        with self._store.lock:
            return self._sendings.get((merchant_id, endpoint_id, notice_id))

    def list_sendings_of_tab(self, merchant_id: str, endpoint_id: str, tab_id: str) -> Sequence[Sending]:
        found = [sending for sending in self._sent_to(merchant_id, endpoint_id) if sending.notice.tab_id == tab_id]
        return sorted(found, key=lambda sending: sending.notice.notice_id)

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
        rows = {
            listing_position(sending.notice.notice_id, sending.notice.at): sending
            for sending in self._sent_to(merchant_id, endpoint_id)
            if since <= sending.notice.at < until
        }
        return page(rows, sendings_partition(merchant_id, endpoint_id), limit, cursor, newest_first=newest_first)

    def _sent_to(self, merchant_id: str, endpoint_id: str) -> list[Sending]:
        with self._store.lock:
            return [it for (*owner, _), it in self._sendings.items() if owner == [merchant_id, endpoint_id]]
