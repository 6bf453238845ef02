"""Formats times for people, in the reader's time zone (the merchant's, unless the person has one)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo


def local_date(at: datetime, time_zone: str) -> date:
    """The local date of `at`."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def day(at: datetime, time_zone: str) -> str:
    """`05 March`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%d %B}"


def day_and_time(at: datetime, time_zone: str) -> str:
    """`05 March at 09:00`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%d %B at %H:%M}"
