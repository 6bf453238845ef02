"""Every date that a person reads is one of their calendar: Tokyo, Auckland, and the nights when the clocks change."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from chalicelib.domain.errors import TransitionRefused
from chalicelib.domain.news import dates
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking
from chalicelib.domain.tab.policy import Policy
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, TRY_LATER, WITH_CARD, WITHOUT_CARD, Till

CODE = Path(dates.__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("at", "time_zone", "said"),
    [
        ("2026-03-05T14:59", "Asia/Tokyo", "05 March at 23:59"),
        ("2026-03-05T15:00", "Asia/Tokyo", "06 March at 00:00"),
        ("2026-04-04T13:30", "Pacific/Auckland", "05 April at 02:30"),  # Twice: an hour later the clocks go back,
        ("2026-04-04T14:30", "Pacific/Auckland", "05 April at 02:30"),  # and it is half past two again.
        ("2026-09-26T13:59", "Pacific/Auckland", "27 September at 01:59"),
        ("2026-09-26T14:00", "Pacific/Auckland", "27 September at 03:00"),  # Two o'clock is left out.
        ("2026-09-26T11:59", "Pacific/Auckland", "26 September at 23:59"),
        ("2026-09-26T12:00", "Pacific/Auckland", "27 September at 00:00"),
        ("2026-09-27T10:59", "Pacific/Auckland", "27 September at 23:59"),  # Summer time: midnight is an hour earlier.
        ("2026-09-27T11:00", "Pacific/Auckland", "28 September at 00:00"),
        ("2026-03-28T22:59", "Europe/Vienna", "28 March at 23:59"),
        ("2026-03-29T21:59", "Europe/Vienna", "29 March at 23:59"),
        ("2026-03-29T22:00", "Europe/Vienna", "30 March at 00:00"),
        ("2026-11-01T03:59", "America/New_York", "31 October at 23:59"),
        ("2026-11-02T04:59", "America/New_York", "01 November at 23:59"),
        ("2026-12-31T09:59", "Pacific/Kiritimati", "31 December at 23:59"),
        ("2026-12-31T10:00", "Pacific/Kiritimati", "01 January at 00:00"),
        ("2028-02-29T11:00", "Pacific/Pago_Pago", "29 February at 00:00"),
    ],
)
def test_a_day_begins_at_midnight_where_the_reader_is(at: str, time_zone: str, said: str) -> None:
    """To the minute, on both sides of midnight and of each change of the clocks."""
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert dates.day_and_time(instant, time_zone) == said
    assert f"{dates.local_date(instant, time_zone):%d %B}" == said.partition(" at ")[0]


def test_a_date_is_written_in_one_place() -> None:
    """A day or an hour written by hand forgets whose it is. What names UTC beside it is not for customers and staff."""
    written = [
        f"{path.relative_to(CODE)}: {line.strip()}"
        for path in CODE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r":%[a-zA-Z]|strftime|\.date\(\)", line) and path.name != "dates.py" and "UTC" not in line
    ]

    assert written == []


TOKYO = Policy(time_zone="Asia/Tokyo", quiet_from_hour=0, quiet_until_hour=0)


def test_a_message_carries_instants_and_leaves_the_day_to_the_words() -> None:
    """The next try, the next placement, the end of a contest: which day that is, the reader's zone says."""
    declined = Till(policy=TOKYO).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    declined.wait_until(datetime(2026, 3, 6, 15, tzinfo=UTC)).declined(Operation.CHARGE, failure=TRY_LATER)
    unsecured = Till.booked(in_hours=48, policy=TOKYO).accept(*WITH_CARD, customer=CUSTOMER)
    unsecured.declined(Operation.PLACE_HOLD, failure=TRY_LATER)
    contested = Till(policy=TOKYO).accept(*WITHOUT_CARD).serve(50_00).do(bill.contest, "cold", None, by=ADA)

    contested.wait(days=7)

    assert declined.messages[-1].values["next_try_at"] == "2026-03-08T15:00:00Z"
    assert unsecured.messages[-1].values["again_at"] == "2026-03-03T00:00:00Z"
    assert contested.messages[-1].values["default_at"] == "2026-03-11T12:00:00Z"


def test_a_refusal_that_names_a_time_names_the_zone() -> None:
    """Staff read it on a screen at the counter."""
    till = Till.booked(in_hours=24, deposit_minor=0, policy=TOKYO)

    with pytest.raises(TransitionRefused, match=r"from 03 March at 21:15 \(Asia/Tokyo\)"):
        till.do(booking.mark_no_show)


def test_a_day_is_a_day_of_the_calendar() -> None:
    """Not a text: reports sort by it."""
    assert dates.local_date(datetime(2026, 3, 5, 15, tzinfo=UTC), "Asia/Tokyo") == date(2026, 3, 6)
