"""The terminal output of a reconciliation: its progress, the differences, and a line of figures."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from devstack import progress_bar

Report = dict[str, Any]
WIDTH = 150


def console() -> Console:
    """Wide enough for the table where nobody's terminal sets a limit."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


class Meter(progress_bar.Meter):
    """A progress bar on a terminal; elsewhere nothing: what counts is in the report."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, TextColumn("tabs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        if self._bar:
            self._task = self._bar.add_task("tabs", total=None)

    def tell(self, done: int, total: int) -> None:
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)


def show(console: Console, report: Report) -> None:
    if report["found"]:
        table = Table(box=SIMPLE_HEAD)
        table.add_column("")
        table.add_column("code")
        table.add_column("in words")
        table.add_column("whose", overflow="fold")
        for found in sorted(report["found"], key=lambda found: (found["repaired"], found["code"])):
            whose = found["tab_id"] or found["merchant_id"] or ""
            mark = "[green]repaired[/green]" if found["repaired"] else "[red]for you[/red]"
            table.add_row(mark, found["code"], escape(found["text"]), whose)
        console.print(table)
    for what in report["unread"]:
        console.print(f"[red]not read:[/red] {escape(what)}")


def figures(report: Report) -> str:
    return (
        f"{report['tabs']} tabs, {report['payments']} payments ({report['foreign']} foreign, "
        f"{report['in_progress']} in progress), {report['differences']} differences, "
        f"{report['repaired']} repaired, {report['money_mismatch']} for a person"
        + ("" if report["complete"] else "; NOT COMPLETE")
    )
