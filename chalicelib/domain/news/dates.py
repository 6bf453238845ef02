"""Instants as people read them: in the reader's time zone, which is the merchant's until a person has one."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo


def local_date(at: datetime, time_zone: str) -> date:
    """The day that `at` falls on there."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def day(at: datetime, time_zone: str) -> str:
    """`05 March`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%d %B}"


def day_and_time(at: datetime, time_zone: str) -> str:
    """`05 March at 09:00`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%d %B at %H:%M}"
