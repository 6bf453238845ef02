"""Owns the memory of requests served, bounded, so that a test can assert on what a program really asked of Stripe."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, NamedTuple


class Entry(NamedTuple):
    at: int  # business time
    request_id: str
    account: str
    method: str
    path: str
    route: str
    status: int
    idempotency_key: str | None
    replayed: bool
    body: str
    error_code: str | None
    ms: float

    def shown(self) -> dict[str, Any]:
        return self._asdict()


class RequestLog:
    def __init__(self, size: int = 20_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._body_limit = 2_000
        self.counts: Counter[str] = Counter()
        self.total = 0

    def add(self, entry: Entry) -> None:
        self._entries.append(
            entry._replace(body=entry.body[: self._body_limit]) if len(entry.body) > self._body_limit else entry
        )
        self.counts[f"{entry.route} {entry.status}"] += 1
        self.total += 1

    def find(self, *, limit: int = 100, **wanted: str) -> list[dict[str, Any]]:
        """Newest last. `path` and `route` match as prefixes, `contains` anywhere in the body, the others exactly."""
        found: list[dict[str, Any]] = []
        for entry in reversed(self._entries):
            if all(self._matches(entry, name, value) for name, value in wanted.items()):
                found.append(entry.shown())
                if len(found) == limit:
                    break
        return found[::-1]

    @staticmethod
    def _matches(entry: Entry, name: str, value: str) -> bool:
        if name == "contains":
            return value in entry.body
        have = getattr(entry, name, None)
        if name in ("path", "route"):
            return str(have).startswith(value)
        return str(have).lower() == value.lower()

    def clear(self) -> None:
        self._entries.clear()
        self.counts.clear()
        self.total = 0
