"""The store of endpoints and of what is sent to them, and the jobs of the queue `notices`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec import Struct

from chalicelib.domain.news.endpoint import Endpoint, Secrets
from chalicelib.domain.news.notice import Notice
from chalicelib.domain.news.sending import Sending, SendingState
from chalicelib.ports.queues import Job
from chalicelib.ports.store import IdempotencyRecord, Page


class Replay(Struct, frozen=True, kw_only=True):
    """Send again what happened from `since` on and before `until`, and is in one of these states; page by page."""

    since: datetime
    until: datetime
    states: tuple[SendingState, ...]
    cursor: str | None = None


class NoticeJob(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job of the queue `notices`, as JSON, and one of three.

    `notices`: news of the merchant, for all endpoints that want it. `notice_id`: a sending of the endpoint that is to
    be tried. `replay`: of the endpoint.
    """

    merchant_id: str
    notices: tuple[Notice, ...] = ()
    endpoint_id: str | None = None
    notice_id: str | None = None
    replay: Replay | None = None


_encode = msgspec.json.Encoder().encode


def queue_job_of(job: NoticeJob, *, delay_s: int = 0) -> Job:
    return Job(body=_encode(job).decode(), group=job.merchant_id, delay_s=delay_s)


class Notices(Protocol):
    """Reads are strongly consistent, but for `page`. Everything may raise StoreUnavailable."""

    def list_endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        """All of the merchant's, the oldest first."""
        ...

    def find_endpoint(self, merchant_id: str, endpoint_id: str) -> Endpoint | None: ...

    def find_secrets(self, merchant_id: str, endpoint_id: str) -> Secrets | None: ...

    def put_endpoint(
        self, endpoint: Endpoint, *, secrets: Secrets | None = None, record: IdempotencyRecord | None = None
    ) -> None:
        """Write the next version (`endpoint.version` is one above the stored; 1: none is stored, and its slot is free).

        `secrets`: written with it. Raises VersionConflict, RecordExists, and then nothing is written.
        """
        ...

    def delete_endpoint(self, endpoint: Endpoint, *, record: IdempotencyRecord) -> None:
        """Delete it with its secrets; what was sent to it goes after 30 days. Raises RecordExists."""
        ...

    def add_sending(self, sending: Sending) -> bool:
        """Write a new one, unless there is one of this notice for this endpoint; returns whether it was written."""
        ...

    def put_sending(self, sending: Sending, *, record: IdempotencyRecord | None = None) -> None:
        """Write the next version (`sending.version` is one above the stored; 1: none is stored); kept for 30 days.

        Raises VersionConflict, RecordExists, and then nothing is written.
        """
        ...

    def find_sending(self, merchant_id: str, endpoint_id: str, notice_id: str) -> Sending | None: ...

    def list_sendings_of_tab(self, merchant_id: str, endpoint_id: str, tab_id: str) -> Sequence[Sending]:
        """Everything about this tab that was recorded for this endpoint, in the order of its entries."""
        ...

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
        """What happened from `since` on and before `until`, by the time when it happened, from an index that lags.

        Raises InvalidInput for a cursor that is not ours.
        """
        ...
