"""The business clock of the local stack: it lives in the Stripe stand-in, and is read from there.

A deployed app can't have it: only devstack hands it to bootstrap. Killing the app does not reset it.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from devstack.http import JsonClient


class StandinClock:
    """A ports.Clock whose `now` is the stand-in's.

    A thread asks once and goes on with the answer until `forget`: one request or sweep happens at one instant.
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
        """To be called before each request: time may have passed since this thread served the last one."""
        self._known.now = None
