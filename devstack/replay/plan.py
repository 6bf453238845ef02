"""The events of each booking and its expected result: the rules of docs/replay.md, without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zlib import crc32
from zoneinfo import ZoneInfo

from devstack.replay.rows import MINIMUM_MINOR, Booking, End

ZONE = ZoneInfo("Europe/Lisbon")
BOOKS_AT = time(10)
CANCELS_AT = time(12)
STARTS_AT = time(15)
LEAVES_AT = time(11)
LEAVES_SAME_DAY_AT = time(18)
MARKS_NO_SHOW_AT = time(22)
"""The night porter's round, well after the grace of a quarter of an hour."""
FREE_WINDOW = timedelta(hours=48)
CUSTOMERS = 9_000
"""The file does not identify guests: row numbers modulo this number stand for returning guests."""


SEED = 112
ROUGH_OF = 30
"""In three of thirty check-outs something goes wrong, one of each kind, chosen by row number and SEED."""
ROUGH_FROM_MINOR = 1_000
"""The least total for that, so that every part of it is above the minimum charge."""
RESOLVES_AFTER = timedelta(days=1)
REFUNDS_AFTER = timedelta(days=3)


class Turn(StrEnum):
    """What follows the bill: accepted at once, silence, a contest, or a part refund days later."""

    SMOOTH = "smooth"
    PAYS_LATE = "pays_late"
    CONTESTS = "contests"
    REFUNDED = "refunded"


class Kind(StrEnum):
    BOOK = "book"
    CANCEL = "cancel"
    ARRIVE = "arrive"
    LEAVE = "leave"
    NO_SHOW = "no_show"
    RESOLVE = "resolve"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """An event at an instant (UTC). Sorted by time, then by row."""

    at: datetime
    number: int
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expected end of a row. `fee`: whether it pays the disclosed fee. Amounts are in cents."""

    outcome: str
    paid_minor: int
    waived_minor: int
    fee: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A booking in the replay's calendar. All times are UTC."""

    booking: Booking
    books_at: datetime
    starts_at: datetime
    ends_at: datetime

    @property
    def customer(self) -> int:
        return self.booking.number % CUSTOMERS

    @property
    def cancels_late(self) -> bool:
        return self.booking.end == End.CANCELED and self.ends_at > self.starts_at - FREE_WINDOW

    @property
    def events(self) -> tuple[Event, ...]:
        number = self.booking.number
        book = Event(self.books_at, number, Kind.BOOK)
        if self.booking.end == End.CANCELED:
            return book, Event(self.ends_at, number, Kind.CANCEL)
        if self.booking.end == End.NO_SHOW:
            return book, Event(self.ends_at, number, Kind.NO_SHOW)
        stay = (book, Event(self.starts_at, number, Kind.ARRIVE), Event(self.ends_at, number, Kind.LEAVE))
        if self.turn == Turn.CONTESTS:
            return *stay, Event(self.ends_at + RESOLVES_AFTER, number, Kind.RESOLVE)
        if self.turn == Turn.REFUNDED:
            return *stay, Event(self.ends_at + REFUNDS_AFTER, number, Kind.REFUND)
        return stay

    @property
    def turn(self) -> Turn:
        """Drawn among check-outs with a deposit, whose guests have consented to everything."""
        booking = self.booking
        if booking.end != End.CHECK_OUT or not booking.deposit_minor or booking.total_minor < ROUGH_FROM_MINOR:
            return Turn.SMOOTH
        drawn = crc32(f"{SEED}/{booking.number}".encode()) % ROUGH_OF
        return {0: Turn.PAYS_LATE, 1: Turn.CONTESTS, 2: Turn.REFUNDED}.get(drawn, Turn.SMOOTH)

    @property
    def given_back_minor(self) -> int:
        """The reduction after a contest (a tenth), or the part refund (a quarter)."""
        share = {Turn.CONTESTS: 10, Turn.REFUNDED: 4}.get(self.turn)
        return self.booking.total_minor // share if share else 0

    @property
    def expected(self) -> Expected:
        """The expected result, computed only from the row, never from the app's answers."""
        booking = self.booking
        if booking.end == End.CHECK_OUT:
            total = booking.total_minor
            # Less than a card may be charged is paid in cash or waived; the replay's staff waive it.
            waived = total if total < MINIMUM_MINOR else 0
            paid = total - waived - self.given_back_minor
            return Expected(outcome="fulfilled", paid_minor=paid, waived_minor=waived, fee=False)
        if booking.end == End.NO_SHOW:
            fee = booking.deposit_minor
            return Expected(outcome="no_show", paid_minor=fee, waived_minor=0, fee=fee > 0)
        fee = booking.deposit_minor if self.cancels_late else 0
        return Expected(outcome="canceled", paid_minor=fee, waived_minor=0, fee=fee > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """All plans by row number, the days that every date was moved by, and what the rules had to decide, counted."""

    plans: dict[int, Plan]
    shift: timedelta
    notes: Counter[str]

    @property
    def events(self) -> list[Event]:
        """All of them in time order."""
        return sorted(event for plan in self.plans.values() for event in plan.events)

    @property
    def start(self) -> datetime:
        """The instant of the first event."""
        return min(plan.books_at for plan in self.plans.values())


_ROUGH = {
    Turn.PAYS_LATE: "check-outs whose guest is silent and is charged when the review window ends",
    Turn.CONTESTS: "check-outs whose guest contests the bill, which is lowered by a tenth",
    Turn.REFUNDED: "check-outs whose guest gets a quarter back three days later",
}


def calendar(bookings: Sequence[Booking], first_day: date) -> Calendar:
    """The bookings' plans, every date moved by the same number of days, so that the first is booked on `first_day`."""
    notes: Counter[str] = Counter()
    if not bookings:
        return Calendar(plans={}, shift=timedelta(0), notes=notes)
    shift = first_day - min(booking.arrival - timedelta(days=booking.lead_days) for booking in bookings)
    plans = {booking.number: plan(booking, shift, notes) for booking in bookings}
    for turn, what in _ROUGH.items():
        notes[what] = sum(each.turn == turn for each in plans.values())
    return Calendar(plans=plans, shift=shift, notes=notes)


def plan(booking: Booking, shift: timedelta, notes: Counter[str]) -> Plan:
    """One booking, with its dates moved; where a date makes no sense, the rule that decided is counted in `notes`."""
    arrival = booking.arrival + shift
    booked_on = arrival - timedelta(days=booking.lead_days)
    ended_on = booking.end_on + shift
    if booking.end == End.CANCELED:
        if ended_on < booked_on:
            notes["canceled before it was booked: played two hours after booking"] += 1
            ended_on = booked_on
        if ended_on > arrival:
            notes["canceled after the day of arrival: played on its date, as a late cancellation"] += 1
        ends_at = instant(ended_on, CANCELS_AT)
    elif booking.end == End.NO_SHOW:
        if ended_on != arrival:
            notes["no-show recorded on another day: played on the day of arrival"] += 1
        ends_at = instant(arrival, MARKS_NO_SHOW_AT)
    else:
        if ended_on - arrival != timedelta(days=booking.nights):
            notes["left on another day than booked: played on that day, for the whole price"] += 1
        same_day = ended_on == arrival
        ends_at = instant(ended_on, LEAVES_SAME_DAY_AT if same_day else LEAVES_AT)
    return Plan(
        booking=booking,
        books_at=instant(booked_on, BOOKS_AT),
        starts_at=instant(arrival, STARTS_AT),
        ends_at=ends_at,
    )


def instant(day: date, at: time) -> datetime:
    """A wall-clock time in the hotel's zone, in UTC."""
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def by_customer(events: Iterable[Event], plans: dict[int, Plan]) -> list[list[Event]]:
    """Events of one instant in groups that may run side by side: a customer does one thing at a time."""
    groups: dict[tuple[str, int], list[Event]] = {}
    for event in events:
        found = plans[event.number]
        groups.setdefault((found.booking.hotel, found.customer), []).append(event)
    return list(groups.values())
