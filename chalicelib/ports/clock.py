"""The clock of business time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current business time, UTC, to the millisecond."""
        ...
