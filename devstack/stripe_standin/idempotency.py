"""Owns idempotency keys: the first answer is kept and replayed, a different request under the same key is refused.

https://docs.stripe.com/api/idempotent_requests: answers are stored once execution began, 500s and declines included;
validation failures and conflicts are not; keys are pruned once 24 hours old (of the business clock).
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b

from .errors import StripeError, invalid
from .objects import Shape

KEPT_FOR_SECONDS = 24 * 3600
IN_PROGRESS = 0


class Record(Shape, kw_only=True):
    path: str
    fingerprint: bytes
    created: int
    request_id: str
    status: int = IN_PROGRESS
    kind: str = ""
    body: bytes = b""


def fingerprint(body: bytes) -> bytes:
    return blake2b(body, digest_size=12).digest()


class Keys:
    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}
        self._by_age: deque[tuple[int, tuple[str, str]]] = deque()
        self.changes: list[tuple[str, str, Record]] | None = None  # finished since the journal last looked

    def __len__(self) -> int:
        return len(self._records)

    def begin(self, account: str, key: str, path: str, body: bytes, now: int, request_id: str) -> Record | None:
        """The stored record to replay, or None when this request is the first and may execute.

        Raises idempotency_error (400) for other parameters, idempotency_key_in_use (409) while the first is executing.
        """
        if len(key) > 255:
            raise invalid("Idempotency keys can be at most 255 characters long.", param="idempotency_key")
        self.prune(now)
        found = self._records.get((account, key))
        if found is None:
            self._records[account, key] = Record(
                path=path, fingerprint=fingerprint(body), created=now, request_id=request_id
            )
            self._by_age.append((now, (account, key)))
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

    def finish(self, account: str, key: str, status: int, kind: str, body: bytes) -> Record | None:
        record = self._records.get((account, key))
        if record is not None:
            record.status, record.kind, record.body = status, kind, body
            if self.changes is not None:
                self.changes.append((account, key, record))
        return record

    def forget(self, account: str, key: str) -> None:
        """The request never began to execute: the key is as good as new."""
        self._records.pop((account, key), None)

    def restore(self, account: str, key: str, record: Record) -> None:
        self._records[account, key] = record
        self._by_age.append((record.created, (account, key)))

    def all(self) -> list[tuple[str, str, Record]]:
        return [(account, key, record) for (account, key), record in self._records.items() if record.status]

    def prune(self, now: int) -> None:
        while self._by_age and self._by_age[0][0] <= now - KEPT_FOR_SECONDS:
            created, where = self._by_age.popleft()
            record = self._records.get(where)
            if record is not None and record.created == created:
                del self._records[where]
