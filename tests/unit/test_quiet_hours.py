"""Quiet hours: nobody is told anything in them, in whatever zone, on whatever day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.news.hours import HORIZON, QuietHours, allowed_from, zones_of

NIGHT = QuietHours(21, 8)
ZONES = sorted(available_timezones())
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
HOURS = st.integers(0, 23)


def rome(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Rome"))


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(INSTANTS, st.sampled_from(ZONES), HOURS, HOURS)
def test_the_next_allowed_instant_is_outside_the_window_of_every_zone(
    at: datetime, zone: str, begin: int, end: int
) -> None:
    """In all zones of the database, for all quiet hours, over changes of the clock; and it is not later than needed."""
    quiet = QuietHours(begin, end)
    allowed = allowed_from(at, [ZoneInfo(zone)], quiet)

    assert allowed is not None
    assert at <= allowed <= at + timedelta(hours=26)
    assert not quiet.include(allowed.astimezone(ZoneInfo(zone)))
    earlier = at
    while earlier < allowed:
        # Every quarter of an hour in between is quiet.
        assert quiet.include(earlier.astimezone(ZoneInfo(zone)))
        earlier += timedelta(minutes=15)
    assert allowed == at or quiet.include((allowed - timedelta(seconds=1)).astimezone(ZoneInfo(zone)))


@pytest.mark.parametrize("quiet", [NIGHT, QuietHours(22, 2), QuietHours(1, 3)], ids=str)
def test_no_zone_is_disturbed_when_its_clocks_change(quiet: QuietHours) -> None:
    """Each zone of the database, each hour of the days around each change of its clock in 2025 and 2026."""
    hour, changes = timedelta(hours=1), 0
    for name in ZONES:
        zone = ZoneInfo(name)
        days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(730)]
        offsets = [day.astimezone(zone).utcoffset() for day in days]
        for day, before, after in zip(days, offsets, offsets[1:], strict=False):
            if before == after:
                continue
            changes += 1
            for number in range(-12, 36):
                allowed = allowed_from(day + number * hour, [zone], quiet)
                assert allowed is not None
                assert not quiet.include(allowed.astimezone(zone)), (name, day, number)
    assert changes > 500


@settings(max_examples=400, deadline=None, derandomize=True)
@given(INSTANTS, st.lists(st.sampled_from(ZONES), min_size=2, max_size=6, unique=True), HOURS, HOURS)
def test_it_is_allowed_in_all_zones_or_in_none(at: datetime, names: list[str], begin: int, end: int) -> None:
    """None: no quarter of an hour of the next days is allowed in all of them."""
    quiet, zones = QuietHours(begin, end), [ZoneInfo(name) for name in names]
    allowed = allowed_from(at, zones, quiet)

    if allowed is None:
        quarters = [at + timedelta(minutes=15 * number) for number in range(HORIZON // timedelta(minutes=15))]
        assert all(any(quiet.include(quarter.astimezone(zone)) for zone in zones) for quarter in quarters)
    else:
        assert allowed >= at
        assert not any(quiet.include(allowed.astimezone(zone)) for zone in zones)


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        (rome(2, 12), rome(2, 12)),
        (rome(2, 20, 59), rome(2, 20, 59)),
        (rome(2, 21), rome(3, 8)),
        (rome(2, 7, 59), rome(2, 8)),
        # Clocks go forward at 2:00 on 29 March and back at 3:00 on 25 October.
        (rome(28, 23), rome(29, 8)),
        (rome(24, 23, month=10), rome(25, 8, month=10)),
    ],
    ids=str,
)
def test_from_nine_in_the_evening_until_eight_in_the_morning(at: datetime, allowed: datetime) -> None:
    """By the local clock, also in the nights in which it is changed."""
    assert allowed_from(at.astimezone(UTC), [ZoneInfo("Europe/Rome")], NIGHT) == allowed


@pytest.mark.parametrize(
    ("quiet", "quiet_at"),
    [
        (QuietHours(21, 8), {21, 22, 23, *range(8)}),
        (QuietHours(1, 3), {1, 2}),
        (QuietHours(0, 23), set(range(23))),
        (QuietHours(23, 0), {23}),
        (QuietHours(9, 9), set()),
    ],
    ids=str,
)
def test_quiet_hours_begin_with_the_first_and_end_before_the_last(quiet: QuietHours, quiet_at: set[int]) -> None:
    """Over midnight or within a day; from an hour until the same there are none."""
    assert {hour for hour in range(24) if quiet.include(rome(2, hour, 59))} == quiet_at
    assert {hour for hour in range(24) if quiet.include(rome(2, hour))} == quiet_at


def test_an_hour_that_the_clock_skips_ends_with_the_gap() -> None:
    """Quiet until 2:00, which does not exist on 29 March: allowed from 3:00, which is the same instant."""
    allowed = allowed_from(rome(29, 1).astimezone(UTC), [ZoneInfo("Europe/Rome")], QuietHours(22, 2))

    assert allowed == rome(29, 3)


def test_a_toll_free_number_is_called_when_it_is_day_in_all_its_zones() -> None:
    """From Guam to Newfoundland: two and a half hours a day."""
    zones = zones_of(["Pacific/Guam", "Pacific/Honolulu", "America/New_York", "America/St_Johns"])
    at = datetime(2026, 1, 7, 12, tzinfo=UTC)

    assert allowed_from(at, zones, NIGHT) == datetime(2026, 1, 7, 22, tzinfo=UTC)


def test_zones_that_have_no_hour_in_common_have_none() -> None:
    """Auckland and Honolulu, for six hours of office time."""
    zones = zones_of(["Pacific/Auckland", "Europe/London"])

    assert allowed_from(datetime(2026, 1, 7, 12, tzinfo=UTC), zones, QuietHours(15, 9)) is None


def test_the_first_source_that_names_a_zone_counts() -> None:
    """The person's own; else all of their number's; else the merchant's. What is no zone says nothing."""
    merchant = ["Europe/Lisbon"]

    assert zones_of(["Asia/Seoul"], ["Europe/Rome"], merchant) == (ZoneInfo("Asia/Seoul"),)
    assert zones_of([None], ["Europe/Rome", "Mars/Olympus"], merchant) == (ZoneInfo("Europe/Rome"),)
    assert zones_of(["Europe/Atlantis"], [], merchant) == (ZoneInfo("Europe/Lisbon"),)
    assert zones_of(["../etc/passwd", ""], ["\0"], ["nowhere"]) == (ZoneInfo("UTC"),)
