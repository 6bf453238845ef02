"""Forecast the receipts of each week of real bookings from what was known as it began, and compare with what came in.

    make backtest DATA=file.csv        or   python -m devstack.backtest file.csv [--first 13] [--weeks 50]

The file is that of `make replay`. A booking is known from the day after it was made until it is called off; its value
is due on the day of departure and comes in with the check-out. The naive forecast is the mean of the last eight weeks.
Ends with 1 where a promise is missed: the mean absolute error beside the naive forecast's, and how many of the weeks
lie within p10 to p90.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from chalicelib.domain.books.forecast import HORIZONS, RECENT, Expected, forecasts
from devstack.replay.rows import Booking, End, NotBookings, read

ERROR = 0.45
"""Of the naive forecast's, at most."""
COVERED = (0.75, 0.85)
WEEK = timedelta(weeks=1)
AHEAD = 4
"""How many weeks ahead the forecasts in the plot were made."""


@dataclass(frozen=True, slots=True)
class Weeks:
    """`received` of each week, and `booked[t][h]` for week t + h as week t began; cents. One row more than weeks."""

    received: list[int]
    booked: list[list[int]]


@dataclass(slots=True)
class Score:
    """Of the forecasts of some horizons: absolute errors in cents, and whether the band held, one for each."""

    errors: list[int]
    naive: list[float]
    held: list[bool]

    @property
    def error(self) -> float:
        naive = fmean(self.naive)
        return fmean(self.errors) / naive if naive else inf

    @property
    def covered(self) -> float:
        return fmean(self.held)


def weeks_of(bookings: Sequence[Booking]) -> Weeks:
    """From the week of the first arrival to that of the last: after it nothing more is booked in such a file."""
    first, last = (end(booking.arrival for booking in bookings) for end in (min, max))
    monday = first - timedelta(days=first.weekday())

    def week(day: date) -> int:
        return (day - monday) // WEEK

    weeks = Weeks([0] * (week(last) + 1), [[0] * HORIZONS for _ in range(week(last) + 2)])
    for booking in bookings:
        due = week(booking.arrival + timedelta(days=booking.nights))
        made = week(booking.arrival - timedelta(days=booking.lead_days))
        ended = week(booking.end_on)
        if booking.end is End.CHECK_OUT and ended < len(weeks.received):
            weeks.received[ended] += booking.total_minor
        for now in range(max(0, due - HORIZONS + 1, made + 1), min(due, ended, len(weeks.received)) + 1):
            weeks.booked[now][due - now] += booking.total_minor
    return weeks


def score(weeks: Weeks, made: Sequence[tuple[Expected, ...]], starts: range, horizons: range) -> Score:
    found = Score([], [], [])
    for start in starts:
        naive = fmean(weeks.received[start - RECENT : start])
        for horizon in horizons:
            expected, came = made[start][horizon], weeks.received[start + horizon]
            found.errors.append(abs(came - expected.p50))
            found.naive.append(abs(came - naive))
            found.held.append(expected.p10 <= came <= expected.p90)
    return found


def drawn(weeks: Weeks, made: Sequence[tuple[Expected, ...]], starts: range) -> list[dict[str, int]]:
    """What the plot shows of each week: what came in, and what was expected of it four weeks before."""
    return [
        {
            "week": start + AHEAD,
            "received": weeks.received[start + AHEAD],
            "p10": made[start][AHEAD].p10,
            "p50": made[start][AHEAD].p50,
            "p90": made[start][AHEAD].p90,
            "naive": round(fmean(weeks.received[start - RECENT : start])),
        }
        for start in starts
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make backtest", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--first", type=int, default=HORIZONS, help="weeks of history before the first forecast")
    parser.add_argument("--weeks", type=int, default=50, help="how many weeks are forecast from")
    parser.add_argument("--to", type=Path, help="write each week's receipts and the forecasts of it to this file")
    asked = parser.parse_args()
    console = Console()
    try:
        bookings, refused = read(asked.data)
    except (OSError, NotBookings) as error:
        parser.error(f"{asked.data} can't be read as bookings: {error}")
    if not bookings:
        parser.error(f"{asked.data} has no booking that can be replayed")
    weeks = weeks_of(bookings)
    starts = range(asked.first, min(asked.first + asked.weeks, len(weeks.received) - HORIZONS + 1))
    if asked.first < RECENT or not starts:
        parser.error(
            f"{asked.data} has {len(weeks.received)} weeks: --first is at least {RECENT}, and {HORIZONS} have to follow"
        )

    made = list(forecasts(weeks.received, weeks.booked))
    table = Table("weeks ahead", "error, of the naive forecast's", "within p10 to p90")
    for horizon in range(HORIZONS):
        found = score(weeks, made, starts, range(horizon, horizon + 1))
        table.add_row(str(horizon), f"{found.error:.2f}", f"{found.covered:.0%}")
    whole = score(weeks, made, starts, range(HORIZONS))
    table.add_section()
    table.add_row("all", f"{whole.error:.2f}", f"{whole.covered:.0%}")
    console.print(
        f"{len(bookings):,} bookings ({len(refused):,} rows refused), {len(weeks.received)} weeks, forecast from "
        f"{len(starts)} of them, the first after {asked.first}"
    )
    console.print(table)
    if asked.to:
        asked.to.write_text(json.dumps(drawn(weeks, made, starts)))
    missed = []
    if whole.error > ERROR:
        missed.append(f"the error is {whole.error:.2f} of the naive forecast's, more than {ERROR}")
    if not COVERED[0] <= whole.covered <= COVERED[1]:
        missed.append(f"the band held {whole.covered:.0%} of the weeks, not {COVERED[0]:.0%} to {COVERED[1]:.0%}")
    console.print("\n".join(f"missed: {line}" for line in missed) or "both kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
