"""The business clock of the local stack: it lives in the Stripe stand-in, and is read from there.

A deployed app can't have it: only devstack hands it to bootstrap. Killing the app does not reset it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from devstack.http import JsonClient


class StandinClock:
    """A ports.Clock whose `now` is the stand-in's."""

    def __init__(self, standin_url: str) -> None:
        self._standin = JsonClient(standin_url)

    def now(self) -> datetime:
        return datetime.fromisoformat(self._standin.get("/_control/clock")["now"]).astimezone(UTC)
