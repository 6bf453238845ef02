"""The terminal output of a replay: its progress, and the tables at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from devstack import progress_bar
from devstack.replay.audit import Audit, Sums
from devstack.replay.rows import Refused
from devstack.replay.run import Counts

LINE_EVERY_S = 15.0
SHOWN = 10
WIDTH = 120


def console() -> Console:
    """The width of the tables without a terminal."""
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDTH)


class Meter(progress_bar.Meter):
    """A progress bar on a terminal, elsewhere a line now and then. `events`, `rows`: their total numbers."""

    def __init__(self, console: Console, events: int, rows: int, position: int) -> None:
        super().__init__(
            console, TextColumn("replay"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._console = console
        self._events = events
        self._rows = rows
        self._from = position
        self._began = self._told = time.monotonic()
        if self._bar:
            self._task = self._bar.add_task("replay", total=events, completed=position, said="")

    def say(self, text: str) -> None:
        self._console.print(text)

    def tell(self, position: int, done: int) -> None:
        now = time.monotonic()
        rate = (position - self._from) / max(now - self._began, 1e-9)
        said = f"{done:,} of {self._rows:,} rows ended, {rate * self._rows / self._events:.1f} rows/s"
        if self._bar:
            self._bar.update(self._task, completed=position, said=said)
        elif now - self._told >= LINE_EVERY_S:
            self._told = now
            left_s = (self._events - position) / rate if rate else 0
            percent = 100 * position / self._events
            self._console.print(f"{percent:5.1f} %  {said}, about {left_s / 60:.0f} min left")


def show_refused(console: Console, refused: Sequence[Refused]) -> None:
    if not refused:
        console.print("No row is refused.")
        return
    table = Table(title=f"{len(refused):,} rows are refused", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("rows", justify="right")
    table.add_column("because")
    table.add_column("the first of them")
    for reason, number in Counter(row.reason for row in refused).most_common():
        first = next(row for row in refused if row.reason == reason)
        table.add_row(f"{number:,}", reason, f"row {first.number}" + (f": {first.detail}" if first.detail else ""))
    console.print(table)


def show_notes(console: Console, notes: Counter[str]) -> None:
    for note, number in notes.most_common():
        console.print(f"  {number:,} {note}")


def show_audit(console: Console, audit: Audit) -> None:
    ends = sorted(audit.by_end.items(), key=lambda line: -line[1].tabs)
    table = Table(title="Tabs by end state and payment state; amounts in EUR", title_justify="left", box=SIMPLE_HEAD)
    table.add_column()
    for end, _ in ends:
        table.add_column(end, justify="right")
    table.add_column("all", justify="right")
    for column in fields(Sums):
        values = [getattr(sums, column.name) for sums in (*(sums for _, sums in ends), audit.total)]
        table.add_row(column.name, *(f"{value:,}" if column.name == "tabs" else _euros(value) for value in values))
    console.print(table)


def show_counts(console: Console, counts: Counts, rows: int) -> None:
    table = Table(title="What it took", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("count", justify="right")
    table.add_column("of")
    for route, number in sorted(counts.routes.items(), key=lambda line: -line[1]):
        table.add_row(f"{number:,}", route)
    table.add_section()
    table.add_row(f"{counts.requests:,}", "requests to the API in all")
    table.add_row(f"{counts.webhooks:,}", "webhooks delivered")
    table.add_row(f"{counts.sweeps:,}", f"runs of the schedule, which advanced {counts.advanced:,} tabs")
    table.add_row(f"{counts.clock_moves:,}", "moves of the clock")
    console.print(table)
    seconds = max(counts.played_s, 1e-9)
    console.print(
        f"{rows:,} rows in {seconds / 60:.1f} min: {rows / seconds:.1f} rows/s, "
        f"{(counts.requests + counts.webhooks) / seconds:.0f} requests and webhooks a second; "
        f"{100 * counts.swept_s / seconds:.0f} % of the time in the schedule. "
        f"Reading {rows:,} tabs again and comparing them took {counts.compared_s:.0f} s more."
    )


def show_problems(console: Console, problems: Sequence[str]) -> None:
    if not problems:
        console.print(
            "[green]✓[/green] every row is accounted for; every ledger sums to zero; every receivable is its balance; "
            "our books are Stripe's to the cent, tab by tab and in total"
        )
        return
    console.print(f"[red]✗ {len(problems):,} problems[/red]")
    for problem in problems[:SHOWN]:
        console.print(f"  {problem}", markup=False)
    if len(problems) > SHOWN:
        console.print(f"  … and {len(problems) - SHOWN:,} more")


def _euros(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02}" if minor else "·"
