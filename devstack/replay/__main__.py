"""The command line: `python -m devstack.replay FILE`; exit status 0 only if everything came out as it must."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from devstack.http_tuning import use_fast_header_parser
from devstack.invariants import by_tab
from devstack.replay import show
from devstack.replay.audit import Audit, audit
from devstack.replay.checkpoint import Busy, Checkpoint
from devstack.replay.plan import CUSTOMERS, Calendar, calendar
from devstack.replay.rows import NotBookings, read
from devstack.replay.run import Progress, Replay, Stuck
from devstack.stack import DEFAULT_START, LOGS, Stack

WORKERS = 8
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devstack.replay", description="Replay hotel bookings.")
    parser.add_argument("file", type=Path, help="bookings as CSV")
    parser.add_argument("--resume", action="store_true", help="go on where an earlier replay of the same rows stopped")
    parser.add_argument("--limit", type=_from_one, metavar="N", help="the first N rows only")
    parser.add_argument(
        "--workers", type=_from_one, default=WORKERS, metavar="N", help="threads that act at one instant"
    )
    parser.add_argument(
        "--save-every",
        type=float,
        default=0,
        metavar="MIN",
        help="keep what is needed to resume not only when stopped but every so many minutes",
    )
    given = parser.parse_args(arguments)
    use_fast_header_parser()
    console = show.console()
    try:
        bookings, refused = read(given.file, given.limit)
    except (OSError, NotBookings) as error:
        print(f"{given.file}: {error}", file=sys.stderr)
        return 2
    plans = calendar(bookings, DEFAULT_START.date())
    console.print(f"{len(bookings) + len(refused):,} rows, {len(bookings):,} to replay.")
    show.show_refused(console, refused)
    if not bookings:
        return 0
    console.print(
        f"Every date is moved by {plans.shift.days:,} days: the first is booked at {plans.start:%Y-%m-%d %H:%M} UTC. "
        f"A row's customer is its number modulo {CUSTOMERS:,}."
    )
    show.show_notes(console, plans.notes)
    keeps = Checkpoint.of(given.file, given.limit)
    try:
        with keeps.locked():
            return _replay(console, plans, keeps, given)
    except Busy as busy:
        print(busy, file=sys.stderr)
        return 2


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def _replay(console: Console, plans: Calendar, keeps: Checkpoint, given: argparse.Namespace) -> int:
    progress = keeps.restore() if given.resume else None
    if progress is None:
        if given.resume:
            console.print("Nothing is saved of these rows: it begins at the beginning.")
        keeps.clear()
        progress = Progress()
    else:
        console.print(f"It goes on after {progress.position:,} events.")
    every_s = given.save_every * 60
    meter = show.Meter(console, len(plans.events), len(plans.plans), progress.position)
    with meter, signals_noted(console) as noted:
        while True:
            began = time.monotonic()

            def wants_stop(began: float = began) -> bool:
                return bool(noted) or 0 < every_s <= time.monotonic() - began

            try:
                found = play(plans, progress, keeps.state, given.workers, wants_stop, meter)
            except (Stuck, RuntimeError) as stuck:
                console.print(f"[red]✗[/red] {escape(str(stuck))}; the servers' logs are in {LOGS}")
                return 1
            if found is not None:
                break
            keeps.save(progress)
            if noted:
                console.print(f"Stopped after {progress.position:,} events. RESUME=1 (--resume) goes on from here.")
                return INTERRUPTED
    keeps.clear()
    show.show_audit(console, found)
    show.show_counts(console, progress.counts, len(plans.plans))
    show.show_problems(console, found.problems)
    return 1 if found.problems else 0


@contextmanager
def signals_noted(console: Console) -> Iterator[list[int]]:
    """Ctrl-C and kill are written in this list instead of ending us: an instant that has begun is always finished."""
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if not noted:
            console.print("Stopping; the servers write down what they hold.")
        noted.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def play(
    plans: Calendar,
    progress: Progress,
    state: Path,
    workers: int,
    wants_stop: Callable[[], bool],
    meter: show.Meter,
) -> Audit | None:
    """One part of the replay on servers of its own; the audit where it came to the end, else None.

    Raises Stuck, and RuntimeError if a server does not start or webhooks are not taken.
    """
    with Stack(start=plans.start, state=state) as stack:
        replay = Replay(stack, plans, progress, workers=workers)
        try:
            if not replay.play(wants_stop, meter.tell):
                return None
            meter.say("Everything is played. Now every tab is read again, and both books are compared.")
            began = time.monotonic()
            found = audit_all(stack, plans, replay)
            progress.counts.compared_s = time.monotonic() - began
            stack.discard_state()
            return found
        finally:
            replay.close()


def audit_all(stack: Stack, plans: Calendar, replay: Replay) -> Audit:
    """Read every tab and both books once more, and compare."""
    books = stack.standin.get("/_control/books")
    objects = by_tab(stack.at_stripe("payment_intents"), stack.at_stripe("refunds"))
    found = audit(plans.plans, replay.progress.stays, replay.tabs(), books, objects, replay.clients.told)
    webhooks = stack.standin.get("/_control/webhooks")
    for name in ("pending", "failed"):
        if webhooks[name]:
            found.problems.append(f"{webhooks[name]} webhooks {name}")
    if replay.progress.counts.sweep_failures:
        found.problems.append(f"the schedule failed {replay.progress.counts.sweep_failures} times; see {stack.logs}")
    if replay.progress.counts.missed:
        found.problems.append(f"{replay.progress.counts.missed} tabs were due without our knowing")
    return found


if __name__ == "__main__":
    sys.exit(main())
