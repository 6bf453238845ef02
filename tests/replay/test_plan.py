"""The calendar of a replay: the events of each booking and their expected result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from devstack.replay.plan import Kind, Plan, by_customer, calendar, plan
from devstack.replay.rows import Booking, End

BOOKING = Booking(
    number=7,
    hotel="Casa Azul",
    lead_days=10,
    arrival=date(2026, 3, 30),
    nights=2,
    adr=Decimal("80"),
    end=End.CHECK_OUT,
    end_on=date(2026, 4, 1),
)


def planned(**change: object) -> tuple[Plan, list[str]]:
    notes: Counter[str] = Counter()
    return plan(replace(BOOKING, **change), timedelta(0), notes), list(notes)  # type: ignore[arg-type]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_wall_clocks_are_lisbons_also_across_the_change_to_summer_time():
    """Booked at 10:00 in winter, 10:00 UTC; arriving at 15:00 in summer, 14:00 UTC."""
    found, notes = planned()

    assert [(event.at, event.kind) for event in found.events] == [
        (at(2026, 3, 20, 10), Kind.BOOK),
        (at(2026, 3, 30, 14), Kind.ARRIVE),
        (at(2026, 4, 1, 10), Kind.LEAVE),
    ]
    assert notes == []


def test_who_stays_no_night_leaves_the_same_evening():
    found, _ = planned(nights=0, end_on=BOOKING.arrival)

    assert found.ends_at == at(2026, 3, 30, 17)


@pytest.mark.parametrize(
    ("end_on", "late", "note"),
    [
        (date(2026, 3, 28), False, ""),
        (date(2026, 3, 29), True, ""),
        (date(2026, 3, 30), True, ""),
        (date(2026, 4, 2), True, "after the day of arrival"),
        (date(2026, 3, 20), False, ""),
        (date(2026, 3, 1), False, "before it was booked"),
    ],
)
def test_cancelling_is_free_up_to_48_hours_before(end_on: date, late: bool, note: str):
    """At noon of its date, which is late from the day before the arrival on; never before the booking."""
    found, notes = planned(end=End.CANCELED, end_on=end_on)

    assert found.cancels_late is late
    assert found.expected.paid_minor == (8000 if late else 0)
    assert found.ends_at >= found.books_at + timedelta(hours=2)
    assert [note in said for said in notes] == ([True] if note else [])


def test_a_booking_of_today_can_be_canceled_two_hours_later():
    found, _ = planned(end=End.CANCELED, lead_days=0, end_on=BOOKING.arrival)

    assert found.ends_at - found.books_at == timedelta(hours=2)
    assert found.ends_at < found.starts_at


def test_a_no_show_is_marked_in_the_night_of_arrival_whatever_its_date_says():
    found, notes = planned(end=End.NO_SHOW, end_on=date(2025, 12, 9))

    assert found.events[-1].at == at(2026, 3, 30, 21)
    assert found.expected.paid_minor == 8000
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("nights", "adr", "paid_minor", "waived_minor"),
    [(2, "80", 16000, 0), (0, "80", 0, 0), (2, "0.2", 0, 40), (3, "0.2", 60, 0)],
)
def test_what_a_stay_must_come_to(nights: int, adr: str, paid_minor: int, waived_minor: int):
    """Less than a card may be charged is waived."""
    found, _ = planned(nights=nights, adr=Decimal(adr))

    assert found.expected.outcome == "fulfilled"
    assert (found.expected.paid_minor, found.expected.waived_minor) == (paid_minor, waived_minor)


def test_every_date_moves_by_the_same_days_so_that_the_first_is_booked_on_the_first_day():
    later = replace(BOOKING, number=8, arrival=date(2026, 3, 25), lead_days=5)

    found = calendar([later, replace(BOOKING, lead_days=12)], date(2030, 1, 7))

    assert found.start == at(2030, 1, 7, 10)
    assert found.plans[8].books_at == at(2030, 1, 9, 10)
    assert [event.number for event in found.events][:2] == [7, 8]


def test_one_customer_does_one_thing_at_a_time():
    """Rows 7 and 9007 of the same hotel are the same person; of another hotel, somebody else."""
    bookings = [BOOKING, replace(BOOKING, number=9007), replace(BOOKING, number=9007 + 9000, hotel="Vila Verde")]
    found = calendar(bookings, date(2026, 1, 5))
    first = [event for event in found.events if event.kind == Kind.BOOK]

    assert [[event.number for event in group] for group in by_customer(first, found.plans)] == [[7, 9007], [18007]]
