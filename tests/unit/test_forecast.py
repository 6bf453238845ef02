"""The forecast of receipts: what it knows, what it learns, and how often its bands hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.books.forecast import HORIZONS, forecast, forecasts
from devstack.backtest import score, weeks_of
from devstack.replay.rows import Booking, End

AMOUNTS = st.integers(min_value=0, max_value=1_000_000_00)
HISTORIES = st.lists(st.tuples(AMOUNTS, st.lists(AMOUNTS, min_size=HORIZONS, max_size=HORIZONS)), max_size=40)


def steady(weeks: int, noise: Random | None = None) -> tuple[list[int], list[list[int]]]:
    """Twice of what was booked comes in, give or take a tenth; the longer ahead, the less is booked."""
    came = [round(100_000 * (noise.uniform(0.5, 1.5) if noise else 1)) for _ in range(weeks + HORIZONS)]
    booked = [
        [round(came[now + h] / (2 + h) * (noise.uniform(0.9, 1.1) if noise else 1)) for h in range(HORIZONS)]
        for now in range(weeks + 1)
    ]  # fmt: skip
    return came[:weeks], booked


def test_who_has_no_history_is_told_what_is_booked() -> None:
    assert [(week.p10, week.p50, week.p90) for week in forecast([], [list(range(HORIZONS))])] == [
        (amount, amount, amount) for amount in range(HORIZONS)
    ]


def test_what_is_booked_later_is_expected_as_it_came_before() -> None:
    """Each horizon has its own ratio."""
    for week in forecast(*steady(30)):
        assert abs(week.p50 - 100_000) <= 10
        assert week.p90 - week.p10 <= 100


@given(HISTORIES, st.integers(min_value=0, max_value=40))
def test_a_forecast_knows_nothing_of_what_comes_after_it(history: list[tuple[int, list[int]]], then: int) -> None:
    received, booked = [came for came, _ in history], [row for _, row in history] + [[1] * HORIZONS]
    then = min(then, len(received))
    assert forecast(received[:then], booked[: then + 1]) == list(forecasts(received, booked))[then]


@given(HISTORIES)
def test_a_band_is_around_its_guess_and_never_negative(history: list[tuple[int, list[int]]]) -> None:
    received, booked = [came for came, _ in history], [row for _, row in history] + [[0] * HORIZONS]
    for made in forecasts(received, booked):
        assert len(made) == HORIZONS
        assert all(0 <= week.p10 <= week.p50 <= week.p90 for week in made)


def test_four_of_five_weeks_are_within_the_band() -> None:
    received, booked = steady(200, Random(7))
    made = list(forecasts(received, booked))
    held = [
        week.p10 <= received[now + ahead] <= week.p90
        for now in range(30, 200 - HORIZONS)
        for ahead, week in enumerate(made[now])
    ]
    assert 0.75 <= sum(held) / len(held) <= 0.85


def test_the_band_widens_where_times_become_rougher_and_narrows_again() -> None:
    """Errors of a tenth, then of a half for a while: the band follows both ways."""
    random = Random(3)
    received, booked = [], []
    for now in range(160):
        rough = 0.5 if 60 <= now < 100 else 0.1
        received.append(round(100_000 * random.uniform(1 - rough, 1 + rough)))
        booked.append([100_000] * HORIZONS)
    made = [forecast(received[:now], [*booked[:now], [100_000] * HORIZONS])[0] for now in (60, 100, 160)]
    calm, rough, after = (week.p90 - week.p10 for week in made)
    assert rough > 2 * calm
    assert after < rough


def booking(number: int, arrival: date, *, lead: int, end: End, end_on: date) -> Booking:
    return Booking(
        number=number, hotel="Casa", lead_days=lead, arrival=arrival, nights=2, adr=Decimal(50), end=end, end_on=end_on
    )  # fmt: skip


def test_a_booking_is_known_after_it_was_made_until_it_is_called_off() -> None:
    monday = date(2016, 2, 1)
    stayed = booking(1, date(2016, 2, 22), lead=14, end=End.CHECK_OUT, end_on=date(2016, 2, 24))
    called_off = booking(2, date(2016, 2, 23), lead=22, end=End.CANCELED, end_on=date(2016, 2, 10))
    first = booking(3, monday, lead=0, end=End.NO_SHOW, end_on=monday)

    weeks = weeks_of([stayed, called_off, first])

    assert weeks.received == [0, 0, 0, 100_00]
    known = [{ahead: amount for ahead, amount in enumerate(row) if amount} for row in weeks.booked]
    # The second is made in week 0 and called off in week 1; the first is made in week 1.
    assert known == [{}, {2: 100_00}, {1: 100_00}, {0: 100_00}, {}]


def test_the_score_is_beside_the_mean_of_the_last_eight_weeks() -> None:
    received, booked = steady(60, Random(7))
    made = list(forecasts(received, booked))
    weeks = weeks_of([booking(1, date(2016, 2, 1), lead=0, end=End.CANCELED, end_on=date(2016, 2, 1))])
    weeks.received[:], weeks.booked[:] = received, booked
    found = score(weeks, made, range(20, 40), range(HORIZONS))
    assert len(found.held) == 20 * HORIZONS
    assert found.error < 0.5
