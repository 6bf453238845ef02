"""Plays a calendar on a running stack: one queue of events and next actions, in time order."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from devstack.http import HttpError
from devstack.phone import CardDeclined
from devstack.replay.hotel_clients import HotelClients, Stay
from devstack.replay.plan import Calendar, Event, Kind, by_customer
from devstack.stack import Stack

HISTORIES = 300
"""The number of rows, evenly spread, whose history is read at the end; each costs another request."""
SWEEPS_AT_ONCE = 5
"""A tab that is still due after this many sweeps at one instant is stuck."""


@dataclass(slots=True)
class Counts:
    """What a replay has done so far, over all its parts. `routes`: requests by method and route."""

    routes: dict[str, int] = field(default_factory=dict)
    webhooks: int = 0
    sweeps: int = 0
    advanced: int = 0
    sweep_failures: int = 0
    clock_moves: int = 0
    missed: int = 0
    played_s: float = 0.0
    swept_s: float = 0.0
    compared_s: float = 0.0

    @property
    def requests(self) -> int:
        """Those to the API; what phones say to Stripe is not among them."""
        return sum(number for route, number in self.routes.items() if not route.startswith("phone"))


@dataclass(slots=True)
class Progress:
    """The state from which a replay continues. `position`: events played. `done`: rows whose tab is closed."""

    position: int = 0
    hotels: dict[str, str] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)
    stays: dict[int, Stay] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    done: int = 0


class Stuck(Exception):
    """The schedule does not advance a tab."""


class Replay:
    """One part of a replay, from where `progress` stands, on one running stack; `progress` is kept up to date.

    `workers`: how many threads act at one instant; events of different instants never run side by side.
    """

    def __init__(self, stack: Stack, calendar: Calendar, progress: Progress, *, workers: int) -> None:
        self.progress = progress
        self.clients = HotelClients(stack, progress.hotels, progress.guests)
        self._stack = stack
        self._calendar = calendar
        self._events = calendar.events
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers)
        self._actions: list[tuple[datetime, int]] = []
        for number, stay in progress.stays.items():
            if stay.next_at is not None:
                heapq.heappush(self._actions, (stay.next_at, number))
        self._now = stack.now()

    def play(self, wants_stop: Callable[[], bool], tell: Callable[[int, int], None]) -> bool:
        """Play until all is done (True) or `wants_stop` says so (False); it is called only between instants.

        `tell` gets the number of events and of rows done, after every instant. Raises Stuck, and RuntimeError if
        webhooks are not taken.
        """
        began, routes = time.monotonic(), dict(self.progress.counts.routes)
        delivered = self._delivered()
        try:
            for hotel in dict.fromkeys(plan.booking.hotel for plan in self._calendar.plans.values()):
                self.clients.open_hotel(hotel)
            while (at := self._next_at()) is not None:
                if wants_stop():
                    return False
                self._instant(at)
                tell(self.progress.position, self.progress.done)
            return True
        finally:
            counts = self.progress.counts
            for route, number in self.clients.tally.total().items():
                routes[route] = routes.get(route, 0) + number
            counts.routes = routes
            counts.webhooks += self._delivered() - delivered
            counts.played_s += time.monotonic() - began

    def tabs(self) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]] | None]]:
        """The current tab of every row, by row number, some with their history; rows without a tab are left out."""
        numbers = [number for number, stay in sorted(self.progress.stays.items()) if stay.tab_id]
        read_whole = set(numbers[:: -(-len(numbers) // HISTORIES) or 1])

        def read(number: int) -> tuple[int, dict[str, Any], list[dict[str, Any]] | None]:
            return number, self.tab(number), self._history(number) if number in read_whole else None

        # In portions: a pool's `map` would hold all answers in memory before the first is looked at.
        for portion in (numbers[start : start + 100] for start in range(0, len(numbers), 100)):
            yield from self._pool.map(read, portion)

    def close(self) -> None:
        """End the threads. Each one first closes its connections."""
        all_at_it = threading.Barrier(self._workers)

        def hang_up() -> None:
            all_at_it.wait()
            self._stack.app.close()
            self._stack.standin.close()

        for _ in range(self._workers):
            self._pool.submit(hang_up)
        self._pool.shutdown()

    def _next_at(self) -> datetime | None:
        """When there is something to do next: an event, or the earliest action that is still what its tab said last."""
        while self._actions and self.progress.stays[self._actions[0][1]].next_at != self._actions[0][0]:
            heapq.heappop(self._actions)
        times = [self._actions[0][0]] if self._actions else []
        if self.progress.position < len(self._events):
            times.append(self._events[self.progress.position].at)
        return max(min(times), self._now) if times else None

    def _instant(self, at: datetime) -> None:
        """Play one instant: first the schedule, then the clients."""
        if at > self._now:
            self._stack.move_clock(at)
            self._now = at
            self.progress.counts.clock_moves += 1
        self._advance()
        position = self.progress.position
        end = position
        while end < len(self._events) and self._events[end].at <= at:
            end += 1
        if end > position:
            self._act(self._events[position:end])
            self.progress.position = end

    def _advance(self) -> None:
        """Fire the schedule while a known tab is due, and read those tabs again."""
        for _ in range(SWEEPS_AT_ONCE):
            due = self._pop_due()
            if not due:
                return
            began = time.monotonic()
            swept = self._stack.sweep()
            counts = self.progress.counts
            counts.sweeps += 1
            counts.advanced += swept["due"]
            counts.sweep_failures += swept["failed"]
            counts.missed += max(0, swept["due"] - len(due))
            counts.swept_s += time.monotonic() - began
            self._read(due)
        if stuck := self._pop_due():
            raise Stuck(f"still due at {self._now} after {SWEEPS_AT_ONCE} sweeps: {self._names(stuck)}")

    def _pop_due(self) -> list[int]:
        due: dict[int, None] = {}
        while self._actions and self._actions[0][0] <= self._now:
            at, number = heapq.heappop(self._actions)
            if self.progress.stays[number].next_at == at:
                due[number] = None
        return list(due)

    def _act(self, events: list[Event]) -> None:
        told_later = []
        groups = by_customer(events, self._calendar.plans)
        for stay, tab, is_final in itertools.chain.from_iterable(self._pool.map(self._act_in_turn, groups)):
            if tab is not None:
                self._note(stay, tab)
            if stay.tab_id and not is_final:
                told_later.append(stay.number)
        self._stack.drain()
        self._read(told_later)

    def _act_in_turn(self, events: list[Event]) -> list[tuple[Stay, dict[str, Any] | None, bool]]:
        """One customer's events; of each the tab as answered, and whether no news of it will come by webhook."""
        answers: list[tuple[Stay, dict[str, Any] | None, bool]] = []
        for event in events:
            stay = self.progress.stays.setdefault(event.number, Stay(event.number))
            if stay.failure:
                continue
            try:
                tab, used_phone = self.clients.act(event.kind, self._calendar.plans[event.number], stay)
                # The last thing a row does closes its tab; where a webhook was quicker with the half of it, not yet.
                under_way = event.kind not in (Kind.BOOK, Kind.ARRIVE) and tab["status"] != "closed"
                answers.append((stay, tab, not used_phone and not under_way))
            except (HttpError, CardDeclined) as failed:
                stay.failure = f"{event.kind} at {event.at:%Y-%m-%d %H:%M}: {failed}"
                answers.append((stay, None, False))
        return answers

    def _read(self, numbers: Sequence[int]) -> None:
        """Read these rows' tabs again, because webhooks and the schedule have changed them."""
        for number, tab in zip(numbers, self._pool.map(self.tab, numbers), strict=True):
            self._note(self.progress.stays[number], tab)

    def tab(self, number: int) -> dict[str, Any]:
        return self.clients.tab(self._calendar.plans[number], self.progress.stays[number])

    def _history(self, number: int) -> list[dict[str, Any]]:
        return self.clients.history(self._calendar.plans[number], self.progress.stays[number])

    def _note(self, stay: Stay, tab: dict[str, Any]) -> None:
        is_closed = tab["status"] == "closed"
        self.progress.done += is_closed - stay.done
        stay.done = is_closed
        action = tab["next_action"]
        stay.next_at = datetime.fromisoformat(action["at"]) if action else None
        if stay.next_at is not None:
            heapq.heappush(self._actions, (stay.next_at, stay.number))

    def _names(self, numbers: Iterable[int]) -> str:
        return ", ".join(f"row {number} ({self.progress.stays[number].tab_id})" for number in numbers)

    def _delivered(self) -> int:
        number: int = self._stack.standin.get("/_control/webhooks")["delivered"]
        return number
