"""A year of real bookings with standing on and off: deposits asked, no-shows secured, what was exposed.

    make standing DATA=file.csv        or   python -m devstack.standing_year file.csv [--people 1000]

The file is that of `make replay`; it does not say who booked. Each booking is therefore given to one of `--people`
customers, of whom some come far more often than others (the n-th in proportion to 1 / (n + 9)), in two ways: the ends
as they fall, or with four of five no-shows at a tenth of the customers. Each booking asks for its first night as a
deposit, by the standing of its customer when it was made, from what had happened by then. Figures are of the bookings
that were made in the last 365 days of the file; those before are history.
"""

from __future__ import annotations

import argparse
import random
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.standing import History, seal, standing_of
from chalicelib.domain.trust.standing_terms import Level, StandingTerms
from chalicelib.domain.trust.visit import Paid, Visit
from devstack.replay.rows import MINIMUM_MINOR, Booking, End, NotBookings, read

SEED = 14
YEAR = timedelta(days=365)
UNRELIABLE = 10
"""One customer in so many, where no-shows are a habit of some."""
OF_THE_UNRELIABLE = 0.8
"""The share of no-shows that are theirs then."""


@dataclass(slots=True)
class Figures:
    """Of one run. Amounts in cents. `exposed`: on each day, what guests in the house had used and not secured."""

    bookings: int = 0
    levels: Counter[Level] = field(default_factory=Counter)
    deposits: int = 0
    deposits_minor: int = 0
    no_shows: int = 0
    fees_minor: int = 0
    secured_minor: int = 0
    exposed: Counter[date] = field(default_factory=Counter)


def people_of(bookings: Sequence[Booking], people: int, *, by_habit: bool) -> Iterator[int]:
    """A customer for each booking, the same ones every time."""
    chance = random.Random(SEED)
    everybody = range(people)
    weights = list(accumulate(1 / (rank + 10) for rank in everybody))
    unreliable = range(0, people, UNRELIABLE)
    habits = list(accumulate(1 / (rank + 10) for rank in unreliable))
    for booking in bookings:
        if by_habit and booking.end == End.NO_SHOW and chance.random() < OF_THE_UNRELIABLE:
            yield chance.choices(unreliable, cum_weights=habits)[0]
        else:
            yield chance.choices(everybody, cum_weights=weights)[0]


def simulate(bookings: Sequence[Booking], customers: Sequence[int], terms: StandingTerms | None) -> Figures:
    """Go through the bookings in the order in which they were made."""
    figures = Figures()
    since = max(booking.arrival for booking in bookings) - YEAR
    known: dict[int, list[tuple[datetime, int, Visit]]] = defaultdict(list)
    """By customer, with when each visit came to its end: before that nobody knows of it."""
    for booking, customer in sorted(
        zip(bookings, customers, strict=True), key=lambda pair: (made_on(pair[0]), pair[0].number)
    ):
        now = noon(made_on(booking))
        asked_minor, level = booking.deposit_minor, Level.NEW
        if terms is not None:
            visits = [visit for ended_at, _, visit in known[customer] if ended_at <= now]
            standing = standing_of(History(own=visits), terms, now)
            asked_minor, sealed = seal(
                standing, terms, booking.deposit_minor, currency="EUR", minimum_minor=MINIMUM_MINOR
            )
            level = sealed.level
        insort(known[customer], (noon(booking.end_on), booking.number, visit_of(booking)))
        if made_on(booking) >= since:
            count(figures, booking, asked_minor, level)
    return figures


def count(figures: Figures, booking: Booking, asked_minor: int, level: Level) -> None:
    figures.bookings += 1
    figures.levels[level] += 1
    figures.deposits += asked_minor > 0
    figures.deposits_minor += asked_minor
    if booking.end == End.NO_SHOW:
        figures.no_shows += 1
        figures.fees_minor += booking.deposit_minor
        figures.secured_minor += asked_minor
    if booking.end == End.CHECK_OUT:
        for night in range(booking.nights):
            used_minor = booking.total_minor * (night + 1) // booking.nights
            figures.exposed[booking.arrival + timedelta(days=night)] += max(0, used_minor - asked_minor)


def made_on(booking: Booking) -> date:
    return booking.arrival - timedelta(days=booking.lead_days)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def visit_of(booking: Booking) -> Visit:
    """What a booking comes to: paid on leaving, missed, or canceled."""
    at = noon(booking.end_on)
    visit = {
        "tab_id": f"tab_{booking.number}",
        "merchant_id": "mer_1",
        "customer_id": "cus_1",
        "opened_at": noon(made_on(booking)),
        "closed_at": at,
    }
    if booking.end == End.NO_SHOW:
        return Visit(**visit, no_show_at=at, fee=FeeKind.NO_SHOW, outcome=Outcome.NO_SHOW)  # type: ignore[arg-type]
    if booking.end == End.CANCELED:
        return Visit(**visit, canceled_at=at, outcome=Outcome.CANCELED)  # type: ignore[arg-type]
    payment = Paid(payment_id="pi_1", means=LegKind.CHARGE, at=at, amount_minor=booking.total_minor)
    total = {"total_minor": booking.total_minor, "paid_at": at, "payments": (payment,)}
    return Visit(**visit, **total, outcome=Outcome.FULFILLED)  # type: ignore[arg-type]


def euros(minor: float) -> str:
    return f"{minor / 100:,.0f}"


def row(name: str, figures: Figures) -> tuple[str, ...]:
    exposed = sorted(figures.exposed.values())
    levels = " / ".join(f"{figures.levels[level]:,}" for level in Level)
    return (
        name,
        levels,
        f"{figures.deposits:,}",
        euros(figures.deposits_minor),
        f"{figures.no_shows}",
        f"{euros(figures.secured_minor)} of {euros(figures.fees_minor)}",
        euros(sum(exposed) / max(1, len(exposed))),
        euros(exposed[-1] if exposed else 0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make standing", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=1000, help="how many customers the bookings are given to")
    asked = parser.parse_args()
    try:
        bookings, refused = read(asked.data)
    except (OSError, NotBookings) as error:
        parser.error(f"{asked.data} can't be read as bookings: {error}")
    if not bookings or asked.people < UNRELIABLE:
        parser.error(f"there is no booking to simulate, or there are fewer than {UNRELIABLE} people")

    table = Table(
        "standing",
        "new / known / trusted / watch",
        "deposits",
        "EUR",
        "no-shows",
        "fees secured, EUR",
        "exposed a day, EUR",
        "at most",
    )
    for by_habit in (False, True):
        customers = list(people_of(bookings, asked.people, by_habit=by_habit))
        where = "no-shows by habit" if by_habit else "no-shows by chance"
        for name, terms in (("off", None), ("on", StandingTerms())):
            table.add_row(*row(f"{name}, {where}", simulate(bookings, customers, terms)))
    console = Console(width=150)
    console.print(f"{len(bookings):,} bookings ({len(refused):,} rows refused), {asked.people:,} customers")
    console.print(table)


if __name__ == "__main__":
    main()
