"""The kill test: callers play stories while the app's processes are killed; then everything recovers and is compared.

    python -m devstack.kill_test --kills 200 --clients 8 --workers 2 --seed 1

Ends with one line of figures; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from devstack import dynamodb_emulators
from devstack.kill_test.checks import check_endings, check_repeats
from devstack.kill_test.run import Run
from devstack.stack import Stack, stop_on_signals
from devstack.stories.business import Business

REPORT_EVERY_S = 10.0


class Progress:
    """Shows progress: a moving line on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, run: Run, kills: int) -> None:
        self._run, self._kills = run, kills
        self._said_at = time.monotonic()

    def __call__(self, killed: int) -> None:
        is_terminal = sys.stdout.isatty()
        is_last = killed >= self._kills
        if not is_last and time.monotonic() - self._said_at < (0.2 if is_terminal else REPORT_EVERY_S):
            return
        self._said_at = time.monotonic()
        diary = self._run.diary
        text = (
            f"{killed}/{self._kills} kills · {len(self._run.endings)} tabs · {diary.requests} requests, "
            f"{diary.repeated} repeated · {len(self._run.wrong)} violations"
        )
        print(f"\r\x1b[K{text}" if is_terminal else text, end="" if is_terminal and not is_last else "\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="app processes that serve at a time")
    parser.add_argument("--database", choices=dynamodb_emulators.NAMES, default=dynamodb_emulators.MINISTACK)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    stop_on_signals()
    began = time.monotonic()
    with Stack(workers=given.workers, database=given.database, conflicts=True) as stack:
        run = Run(stack, Business(stack, lambda text: None, name="Salon Iris").merchant_id)
        run.go(kills=given.kills, callers=given.clients, seed=given.seed, say=Progress(run, given.kills))
        played_s = time.monotonic() - began
        repeats = check_repeats(run, random.Random(given.seed))
        check_endings(run)
        lookups = [line.split() for line in stack.lookups.read_text().splitlines()]
    for text in run.wrong[:50]:
        print(f"✗ {text[:1200]}")
    asked = {attempt_id for attempt_id, _, _ in lookups}
    done = {attempt_id for attempt_id, _, outcome in lookups if outcome == "found"}
    diary = run.diary
    again = ", ".join(f"{code} {number}" for code, number in diary.asked_again.most_common())
    figures = (
        f"{given.kills} kills of {given.workers} app processes",
        f"{diary.requests} requests on {len(run.endings)} tabs",
        f"{len(diary.changes)} changes acknowledged",
        f"{diary.repeated} requests repeated after a broken connection",
        f"{diary.asked_again.total()} told to wait ({again or 'none'})",
        f"{len(asked)} attempts in flight found by asking Stripe, {len(done)} of them done there",
        f"{repeats} answered requests sent once more",
        f"{len(run.wrong)} violations",
    )
    seconds = f"{played_s:.0f} s under load, {time.monotonic() - began:.0f} s in all"
    print(f"kill test: {'; '.join(figures)} ({given.clients} callers, seed {given.seed}, {given.database}, {seconds})")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
