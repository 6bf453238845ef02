"""The clock: business time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The business instant, UTC, to the millisecond."""
        ...
