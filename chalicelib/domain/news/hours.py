"""Quiet hours: in which time zones a person may be, and when nobody in any of them is disturbed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

HORIZON = timedelta(days=8)
"""How far ahead an allowed hour is looked for: zones change their offsets, and never for long against each other."""
_STEP = timedelta(minutes=15)
"""All offsets from UTC that are in use are multiples of it."""


class QuietHours(Struct, frozen=True):
    """From `from_hour` to `until_hour` by the local clock, over midnight if need be; none where they are equal."""

    from_hour: int
    until_hour: int

    def include(self, local: datetime) -> bool:
        begin, end = self.from_hour, self.until_hour
        if begin <= end:
            return begin <= local.hour < end
        return local.hour >= begin or local.hour < end


def zones_of(*sources: Iterable[str | None]) -> tuple[ZoneInfo, ...]:
    """All zones of the first source that names one that exists; UTC where none does.

    The sources, best first: the person's own zone, those of their phone number, the merchant's.
    """
    for names in sources:
        zones = [zone for name in names if name and (zone := _zone(name))]
        if zones:
            return tuple(zones)
    return (ZoneInfo("UTC"),)


def allowed_from(at: datetime, zones: Iterable[ZoneInfo], quiet: QuietHours) -> datetime | None:
    """`at`, or the next instant that is outside the quiet hours in every zone; None: there is none within HORIZON."""
    zones, allowed = tuple(zones), at
    while allowed - at <= HORIZON:
        ends = [_end(allowed, zone, quiet) for zone in zones if quiet.include(allowed.astimezone(zone))]
        if not ends:
            return allowed
        allowed = max(ends)
    return None


def _end(at: datetime, zone: ZoneInfo, quiet: QuietHours) -> datetime:
    """When the quiet hours that `at` lies in end. Later than `at`, whatever the clocks do in between."""
    local = at.astimezone(zone)
    end = local.replace(hour=quiet.until_hour, minute=0, second=0, microsecond=0, fold=0)
    if local.hour >= quiet.until_hour:
        end += timedelta(days=1)
    instant = end.astimezone(UTC)
    return instant if instant > at else at + _STEP


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
