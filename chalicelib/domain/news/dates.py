"""The merchant's own day and hour of an instant, for reports and refusals. Messages are dated by their words."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo


def local_date(at: datetime, time_zone: str) -> date:
    """The local date of `at`."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def day_and_time(at: datetime, time_zone: str) -> str:
    """`05 March at 09:00`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%d %B at %H:%M}"
