"""Reads hotel bookings from CSV: each row becomes a Booking, or is refused with a reason."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from pathlib import Path

COLUMNS = (
    "hotel",
    "is_canceled",
    "lead_time",
    "arrival_date_year",
    "arrival_date_month",
    "arrival_date_day_of_month",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "deposit_type",
    "adr",
    "reservation_status",
    "reservation_status_date",
)
"""The required columns."""
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DEPOSIT_TYPES = frozenset({"No Deposit", "Non Refund", "Refundable"})
YEARS = range(2000, 2100)
MAXIMUM_LEAD_DAYS = 3 * 365
"""Aftertab takes bookings up to three years ahead."""
MAXIMUM_NIGHTS = 365
MAXIMUM_MINOR = 99_999_999
"""A card charge has at most eight digits (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts)."""
MINIMUM_MINOR = 50
"""The least a card may be charged in EUR, settled in EUR (same page)."""


class End(StrEnum):
    """How the booking ended, in the file's words."""

    CHECK_OUT = "Check-Out"
    CANCELED = "Canceled"
    NO_SHOW = "No-Show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One row. `number` counts rows from 1 without the header; `adr` is the price of a night in EUR."""

    number: int
    hotel: str
    lead_days: int
    arrival: date
    nights: int
    adr: Decimal
    end: End
    end_on: date

    @property
    def total_minor(self) -> int:
        """nights × adr, rounded once."""
        return cents(self.nights * self.adr)

    @property
    def deposit_minor(self) -> int:
        """The first night, which is also the disclosed fee; none where a card can't be charged that little."""
        night = cents(self.adr) if self.nights else 0
        return night if night >= MINIMUM_MINOR else 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not replayed. `reason` is one of a few, `detail` what it says in the row."""

    number: int
    reason: str
    detail: str


class NotBookings(Exception):
    """The file as a whole can't be read as bookings."""


def cents(amount: Decimal) -> int:
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def read(path: Path, limit: int | None = None) -> tuple[list[Booking], list[Refused]]:
    """All rows of the file, or the first `limit`. Raises NotBookings and OSError."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return sort_out(csv.DictReader(file), limit)


def sort_out(reader: csv.DictReader[str], limit: int | None = None) -> tuple[list[Booking], list[Refused]]:
    """Bookings and refused rows, each in the order of the file. Raises NotBookings."""
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise NotBookings(f"the header lacks {', '.join(missing)}")
    bookings: list[Booking] = []
    refused: list[Refused] = []
    for number, row in _numbered(reader, limit):
        try:
            bookings.append(parse(number, row))
        except _Refusal as refusal:
            refused.append(Refused(number, refusal.reason, refusal.detail))
    return bookings, refused


def _numbered(reader: Iterable[Mapping[str, str]], limit: int | None) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, row in enumerate(reader, start=1):
        if limit is not None and number > limit:
            return
        yield number, row


class _Refusal(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def parse(number: int, row: Mapping[str, str | None]) -> Booking:
    """One row as a booking. Raises _Refusal, which `sort_out` turns into Refused."""
    if None in row or None in row.values():
        raise _Refusal("the row has more or fewer fields than the header")
    text = {name: (row[name] or "").strip() for name in COLUMNS}
    if not text["hotel"]:
        raise _Refusal("hotel is empty")
    arrival = _arrival(text)
    lead_days = _count(text, "lead_time", MAXIMUM_LEAD_DAYS)
    nights = _count(text, "stays_in_weekend_nights", MAXIMUM_NIGHTS)
    nights += _count(text, "stays_in_week_nights", MAXIMUM_NIGHTS)
    if text["deposit_type"] not in DEPOSIT_TYPES:
        raise _Refusal("deposit_type is not known", text["deposit_type"])
    end = _end(text)
    end_on = _end_on(text)
    if end == End.CHECK_OUT and end_on < arrival:
        raise _Refusal("the guest leaves before they arrive", f"{end_on} is before {arrival}")
    if abs(end_on - arrival) > timedelta(days=MAXIMUM_LEAD_DAYS):
        raise _Refusal("reservation_status_date is years away from the arrival", text["reservation_status_date"])
    booking = Booking(
        number=number,
        hotel=text["hotel"],
        lead_days=lead_days,
        arrival=arrival,
        nights=nights,
        adr=_adr(text["adr"]),
        end=end,
        end_on=end_on,
    )
    if booking.total_minor > MAXIMUM_MINOR or cents(booking.adr) > MAXIMUM_MINOR:
        raise _Refusal("the price is more than a card can be charged", f"{nights} × {text['adr']}")
    return booking


def _arrival(text: Mapping[str, str]) -> date:
    year, month, day = (text[f"arrival_date_{part}"] for part in ("year", "month", "day_of_month"))
    if month not in MONTHS or not year.isascii() or not year.isdigit() or int(year) not in YEARS:
        raise _Refusal("the arrival is not a date", f"{year} {month} {day}")
    try:
        return date(int(year), MONTHS.index(month) + 1, int(day))
    except ValueError:
        raise _Refusal("the arrival is not a date", f"{year} {month} {day}") from None


def _count(text: Mapping[str, str], name: str, most: int) -> int:
    value = text[name]
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise _Refusal(f"{name} is not a whole number", value)
    if int(value) > most:
        raise _Refusal(f"{name} is more than {most}", value)
    return int(value)


def _adr(value: str) -> Decimal:
    # By pattern, because Decimal() also takes NaN, Infinity, 1e9 and digits of other scripts.
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", value):
        raise _Refusal("adr is not an amount", value)
    amount = Decimal(value)
    if amount < 0:
        raise _Refusal("adr is negative", value)
    return amount


def _end(text: Mapping[str, str]) -> End:
    try:
        end = End(text["reservation_status"])
    except ValueError:
        raise _Refusal("reservation_status is not known", text["reservation_status"]) from None
    if text["is_canceled"] != ("0" if end == End.CHECK_OUT else "1"):
        raise _Refusal("is_canceled contradicts reservation_status", f"{text['is_canceled']}, {end}")
    return end


def _end_on(text: Mapping[str, str]) -> date:
    """M/D/YYYY, as in our extract, or YYYY-MM-DD, as in the published one."""
    value = text["reservation_status_date"]
    for form in ("%m/%d/%Y", "%Y-%m-%d"):
        try:
            found = datetime.strptime(value, form).date()  # noqa: DTZ007 - a calendar day, of no zone
        except ValueError:
            continue
        if found.year in YEARS:
            return found
    raise _Refusal("reservation_status_date is not a date", value)
