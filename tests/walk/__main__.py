"""`make soak`: random walks over a whole local stack for this many minutes, and one line of figures at the end.

    python -m tests.walk --minutes 2 --seed 1

Exit status 1 where a promise broke: then what was done is printed, request by request, and the seed that does it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from devstack.stack import Stack, stop_on_signals
from tests.walk.machine import Walk

STEPS = 40
WALKS = 5
"""Under one seed: few, so that a seed is done again quickly."""
ROUNDS = 4
"""Seeds on one stack; the next takes a new one, whose books are read in no time."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each round of walks takes the next one")
    parser.add_argument("--logs", type=Path, help="where the servers' logs go; a temporary folder where left out")
    given = parser.parse_args()
    stop_on_signals()
    Walk.counts = counts = Counter()
    began = time.monotonic()
    number = given.seed
    while time.monotonic() - began < given.minutes * 60:
        with tempfile.TemporaryDirectory() as folder, Stack(logs=given.logs or Path(folder)) as Walk.stack:
            broken = next(filter(None, map(walk, range(number, number + ROUNDS))), None)
            counts["webhooks"] += Walk.stack.standin.get("/_control/webhooks")["delivered"]
        if broken is not None:
            print("\n".join(Walk.journal))
            print(f"\nBROKEN: {broken}\nAgain: make soak MINUTES=0.1 SEED={number}")
            break
        number += ROUNDS
        if sys.stderr.isatty():
            print(f"\r{_line(counts, time.monotonic() - began)}", end="", file=sys.stderr)
    for name, count in sorted(counts.items()):
        if name.startswith(("answers", "credit", "ends")):
            print(f"  {name}: {count:,}")
    print(_line(counts, time.monotonic() - began) + (", NOTHING broke" if broken is None else ", BROKEN"))
    return 0 if broken is None else 1


def walk(number: int) -> BaseException | None:
    """WALKS walks under this seed; what broke, if anything did."""
    profile = settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        # A walk over real servers is not repeated exactly, so shrinking would chase another failure.
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    try:
        run_state_machine_as_test(seed(number)(Walk), settings=profile)
    except Exception as broken:
        return broken
    return None


def _line(counts: Counter[str], seconds: float) -> str:
    return (
        f"soak: {counts['examples']:,} walks, {counts['tabs checked']:,} tabs, {counts['requests']:,} requests, "
        f"{counts['repeated']:,} repeated, {counts['faults']:,} faults, {counts['past us']:,} changes past us, "
        f"{counts['webhooks']:,} webhooks, {counts['sweeps']:,} sweeps in {seconds / 60:.1f} min"
    )


if __name__ == "__main__":
    sys.exit(main())
