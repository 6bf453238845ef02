"""The business clock of the local stack, read from the Stripe stand-in, whose process keeps it.

A deployed app cannot use it, because only devstack passes it to bootstrap. Killing the app does not reset it.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from devstack.http import JsonClient


class StandinClock:
    """A ports.Clock whose `now` is the stand-in's.

    A thread asks once and keeps the answer until `forget`, so that one request or sweep happens at one instant.
    """

    def __init__(self, standin_url: str) -> None:
        self._standin = JsonClient(standin_url)
        self._known = threading.local()

    def now(self) -> datetime:
        known: datetime | None = getattr(self._known, "now", None)
        if known is None:
            known = datetime.fromisoformat(self._standin.get("/_control/clock")["now"]).astimezone(UTC)
            self._known.now = known
        return known

    def forget(self) -> None:
        """Call this before each request: time may have passed since this thread served the last one."""
        self._known.now = None
