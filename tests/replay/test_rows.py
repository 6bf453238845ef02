"""Rows of bookings: parsing, prices, and every reason to refuse a row."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from devstack.replay import rows
from devstack.replay.rows import Booking, End, NotBookings

GOOD = {
    "hotel": "Casa Azul",
    "is_canceled": "0",
    "lead_time": "12",
    "arrival_date_year": "2016",
    "arrival_date_month": "February",
    "arrival_date_day_of_month": "29",
    "stays_in_weekend_nights": "1",
    "stays_in_week_nights": "2",
    "deposit_type": "No Deposit",
    "adr": "80.5",
    "reservation_status": "Check-Out",
    "reservation_status_date": "3/3/2016",
    "meal": "BB",
}


def sort_out(*changes: dict[str, str], limit: int | None = None) -> tuple[list[Booking], list[rows.Refused]]:
    text = io.StringIO()
    writer = csv.DictWriter(text, GOOD)
    writer.writeheader()
    writer.writerows(GOOD | change for change in changes)
    text.seek(0)
    return rows.sort_out(csv.DictReader(text), limit)


def booking(**change: Any) -> Booking:
    (found,), refused = sort_out(change)
    assert not refused
    return found


def test_a_row_is_read_as_it_stands():
    """Columns that are not used may hold anything; nights are those of the week and of the weekend."""
    assert booking() == Booking(
        number=1,
        hotel="Casa Azul",
        lead_days=12,
        arrival=date(2016, 2, 29),
        nights=3,
        adr=Decimal("80.5"),
        end=End.CHECK_OUT,
        end_on=date(2016, 3, 3),
    )


def test_the_published_data_sets_form_of_a_date_is_read_too():
    assert booking(reservation_status_date="2016-03-03").end_on == date(2016, 3, 3)


@pytest.mark.parametrize(
    ("nights", "adr", "total_minor", "deposit_minor"),
    [
        (3, "80.5", 24150, 8050),
        (3, "33.335", 10000, 3334),  # 100.005 to even; the night by itself 33.335 to even
        (1, "0.125", 12, 0),
        (2, "0.5", 100, 50),
        (4, "0.49", 196, 0),
        (0, "75", 0, 0),
        (2, "0", 0, 0),
    ],
)
def test_prices_are_rounded_once_half_to_even(nights: int, adr: str, total_minor: int, deposit_minor: int):
    """nights × adr by Decimal; a first night below the minimum charge is no deposit."""
    found = booking(stays_in_weekend_nights="0", stays_in_week_nights=str(nights), adr=adr)

    assert (found.total_minor, found.deposit_minor) == (total_minor, deposit_minor)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hotel": " "}, "hotel is empty"),
        ({"arrival_date_day_of_month": "30"}, "the arrival is not a date"),
        ({"arrival_date_month": "Feb"}, "the arrival is not a date"),
        ({"arrival_date_year": "16"}, "the arrival is not a date"),
        ({"lead_time": "-1"}, "lead_time is not a whole number"),
        ({"lead_time": "1.5"}, "lead_time is not a whole number"),
        ({"lead_time": "1096"}, "lead_time is more than 1095"),
        ({"stays_in_week_nights": ""}, "stays_in_week_nights is not a whole number"),
        ({"stays_in_weekend_nights": "366"}, "stays_in_weekend_nights is more than 365"),
        ({"adr": "NULL"}, "adr is not an amount"),
        ({"adr": "NaN"}, "adr is not an amount"),
        ({"adr": "1e9"}, "adr is not an amount"),
        ({"adr": "12,50"}, "adr is not an amount"),
        ({"adr": "-6.38"}, "adr is negative"),
        ({"adr": "999999.99"}, "the price is more than a card can be charged"),
        ({"stays_in_weekend_nights": "0", "stays_in_week_nights": "0", "adr": "1000000"},
         "the price is more than a card can be charged"),
        ({"deposit_type": "Maybe"}, "deposit_type is not known"),
        ({"reservation_status": "Left"}, "reservation_status is not known"),
        ({"is_canceled": "1"}, "is_canceled contradicts reservation_status"),
        ({"reservation_status": "Canceled"}, "is_canceled contradicts reservation_status"),
        ({"reservation_status_date": "31/12/2016"}, "reservation_status_date is not a date"),
        ({"reservation_status_date": "3/3/1916"}, "reservation_status_date is not a date"),
        ({"reservation_status_date": "3/3/2026"}, "reservation_status_date is years away from the arrival"),
        ({"reservation_status_date": "2/28/2016"}, "the guest leaves before they arrive"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_refused_with_its_reason(change: dict[str, str], reason: str):
    bookings, refused = sort_out(change)

    assert not bookings
    assert [(row.number, row.reason) for row in refused] == [(1, reason)]


@pytest.mark.parametrize("line", ["Casa Azul,0,12", "a," * 13 + "a", ""])
def test_a_row_of_another_length_is_refused(line: str):
    """A blank line is no row at all."""
    text = ",".join(GOOD) + "\n" + line + "\n"

    bookings, refused = rows.sort_out(csv.DictReader(io.StringIO(text)))

    assert not bookings
    assert [row.reason for row in refused] == (["the row has more or fewer fields than the header"] if line else [])


def test_a_file_without_a_needed_column_is_refused_whole():
    with pytest.raises(NotBookings, match="adr"):
        rows.sort_out(csv.DictReader(io.StringIO("hotel,lead_time\nCasa Azul,3\n")))


def test_rows_keep_their_numbers_whatever_is_refused():
    """Duplicates are separate bookings; a limit counts rows, refused ones too."""
    bookings, refused = sort_out({}, {"adr": "x"}, {}, {}, limit=3)

    assert [row.number for row in bookings] == [1, 3]
    assert [row.number for row in refused] == [2]
