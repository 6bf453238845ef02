"""Owns idempotency keys: the first answer is kept and replayed, a different request under the same key is refused.

https://docs.stripe.com/api/idempotent_requests: answers are stored once execution began, 500s and declines included;
validation failures and conflicts are not; keys are pruned once 24 hours old (of the business clock).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from .errors import StripeError, invalid
from .index import Index
from .objects import Request, Shape

KEPT_FOR_SECONDS = 24 * 3600
IN_PROGRESS = 0


class Record(Shape, kw_only=True):
    """A key, the request it was first used for, and the answer to it."""

    account: str
    request: Request
    version: str  # that the answer is in
    path: str
    fingerprint: bytes
    created: int
    status: int = IN_PROGRESS
    kind: str = ""
    body: bytes = b""  # packed


def fingerprint(body: bytes) -> bytes:
    return blake2b(body, digest_size=12).digest()


class Keys:
    def __init__(self) -> None:
        self.finished: list[Record] = []  # since the state was last written
        self.clear()

    def clear(self) -> None:
        self._records: list[Record | None] = []  # the oldest first; None: forgotten
        self._index = Index()
        self._forgotten = 0
        self._oldest: int | None = None  # when the first of the records was made

    def __len__(self) -> int:
        return len(self._records) - self._forgotten

    def _find(self, account: str, key: str) -> int | None:
        for at in self._index.newest_first(account + key):
            record = self._records[at]
            if record is not None and record.request.idempotency_key == key and record.account == account:
                return at
        return None

    def begin(self, account: str, request: Request, version: str, path: str, body: bytes, now: int) -> Record | None:
        """The stored record to replay, or None when this request is the first and may execute.

        Raises idempotency_error (400) for other parameters, idempotency_key_in_use (409) while the first is executing.
        """
        key = request.idempotency_key or ""
        if len(key) > 255:
            raise invalid("Idempotency keys can be at most 255 characters long.", param="idempotency_key")
        self.prune(now)
        at = self._find(account, key)
        found = None if at is None else self._records[at]
        if found is None:
            self._add(
                Record(
                    account=account, request=request, version=version, path=path, fingerprint=fingerprint(body),
                    created=now,
                )
            )  # fmt: skip
            return None
        if found.path != path:
            raise StripeError(
                400,
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{path}' vs '{found.path}'). Try using a key other than '{key}' if you meant to execute a "
                "different request.",
                type="idempotency_error",
                before_execution=True,
            )
        if found.fingerprint != fingerprint(body):
            raise StripeError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
                before_execution=True,
            )
        if found.status == IN_PROGRESS:
            raise StripeError(
                409,
                f"There is currently another in-progress request using this Idempotent Key: {key} (that "
                "probably means you submitted twice, and the other request is still going through). Please "
                "try again later.",
                code="idempotency_key_in_use",
                type="idempotency_error",
                before_execution=True,
            )
        return found

    def _add(self, record: Record) -> None:
        self._index.add(record.account + (record.request.idempotency_key or ""), len(self._records))
        self._records.append(record)
        if self._oldest is None:
            self._oldest = record.created

    def finish(self, account: str, key: str, status: int, kind: str, body: bytes) -> None:
        at = self._find(account, key)
        record = None if at is None else self._records[at]
        if record is not None:
            record.status, record.kind, record.body = status, kind, body
            self.finished.append(record)

    def forget(self, account: str, key: str) -> None:
        """The request never began to execute: the key is as good as new."""
        at = self._find(account, key)
        if at is not None:
            self._index.discard(account + key, at)
            self._records[at] = None
            self._forgotten += 1

    def all(self) -> Iterator[Record]:
        """The finished ones, the oldest first."""
        return (record for record in self._records if record is not None and record.status)

    def restore(self, records: list[Record]) -> None:
        """Take over what an earlier run had finished."""
        self._records = list(records)
        self._index.fill(record.account + (record.request.idempotency_key or "") for record in records)
        self._oldest = records[0].created if records else None

    def prune(self, now: int) -> None:
        if self._oldest is None or self._oldest > now - KEPT_FOR_SECONDS:
            return
        kept = [record for record in self._records if record and record.created > now - KEPT_FOR_SECONDS]
        self.clear()
        self.restore(kept)
