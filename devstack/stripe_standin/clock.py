"""Owns business time: a clock that stands still until it is moved, forward only, and the agenda of what falls due on
the way.

What falling due means (a hold expires, a refund settles) belongs to the module that scheduled it. Wall time appears
here only in `--real-time`, where the clock also runs by itself.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime


def parse_time(text: str) -> int:
    """RFC 3339 or epoch seconds → epoch seconds. Raises ValueError."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text!r} is not a time like 2026-01-05T09:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, for instance 2026-01-05T09:00:00Z")
    return int(moment.timestamp())


def rfc3339(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    def __init__(self, start: int | None = None, *, real_time: bool = False) -> None:
        self._at = int(time.time()) if start is None else start
        self._since = time.monotonic()
        self.real_time = real_time
        self._due: list[tuple[int, int, str, str, str]] = []  # (when, order, account, kind, id)
        self._order = 0

    def now(self) -> int:
        return self._at + int(time.monotonic() - self._since) if self.real_time else self._at

    def schedule(self, when: int, account: str, kind: str, id: str) -> None:
        """A plain tuple and not a callable, so that the agenda can be written down and read back."""
        self._order += 1
        heapq.heappush(self._due, (when, self._order, account, kind, id))

    def advance(self, to: int, fire: Callable[[str, str, str], None]) -> int:
        """Move to `to`, firing whatever falls due in time order, each at its own instant. Returns how many fired.

        Raises ValueError for a step back: Stripe's objects carry creation times that must not run backwards.
        """
        if to < self.now():
            raise ValueError(f"the clock is at {rfc3339(self.now())} and moves forward only")
        fired = 0
        while self._due and self._due[0][0] <= to:
            when, _, account, kind, id = heapq.heappop(self._due)
            if when > self.now():
                self._set(when)
            fire(account, kind, id)
            fired += 1
        self._set(to)
        return fired

    def _set(self, at: int) -> None:
        self._at = at
        self._since = time.monotonic()

    def restore(self, at: int) -> None:
        """The clock of an earlier run: it never stood later than this."""
        self._set(at)

    def next_due(self) -> int | None:
        return self._due[0][0] if self._due else None

    def pending(self) -> list[tuple[int, int, str, str, str]]:
        return sorted(self._due)
