"""The running kill test: callers play stories, time passes, processes are killed and started again."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from devstack.http import JsonClient
from devstack.kill_test.caller import Diary
from devstack.kill_test.stories import PATIENCE_S, STORIES, Ending, Visit
from devstack.stack import Stack

ANSWERED = (1, 12)
"""The number of requests that are answered between two kills. A number and not a time, so that a slow machine gets as
far as a fast one.
"""
AIM_S = 0.1
"""After them the kill comes at a random moment within this time, in the middle of other requests."""
ALL_AT_ONCE = 0.2
"""The share of kills that hit all processes at once."""
LOOK_AGAIN_S = 0.005
TICK_S, TICK = 0.3, timedelta(seconds=12)
"""The business clock while callers play: two minutes in three seconds; then a sweep finds what dead processes began."""
STRIPE = (
    {"kind": "slow", "seconds": 0.1, "probability": 0.5, "seed": 1, "method": "POST"},
    {"kind": "slow_after", "seconds": 0.1, "method": "POST"},
    {"kind": "webhook_lose", "path": "payment_intent.succeeded", "probability": 0.5, "seed": 2},
    {"kind": "webhook_lose", "path": "refund.", "probability": 0.5, "seed": 3},
)
"""Each call to Stripe takes a tenth of a second, before or after its effect, so that processes die during calls. Half
of the webhooks are lost; otherwise they would repair most tabs before anybody has to ask Stripe.
"""


@dataclass(slots=True)
class Run:
    """A running kill test. `endings`: how each tab must end. `wrong`: the problems, in words.

    `enough`: no caller begins another story. `at_rest`: no caller waits for the clock any more.
    """

    stack: Stack
    merchant_id: str
    diary: Diary = field(default_factory=Diary)
    endings: list[Ending] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    at_rest: threading.Event = field(default_factory=threading.Event)

    def go(self, *, kills: int, callers: int, seed: int, say: Callable[[int], None]) -> None:
        """Run until that many processes have been killed and every story that was begun has ended."""
        for fault in STRIPE:
            self.stack.standin.post("/_control/faults", fault)
        lives = [
            threading.Thread(target=self.play, args=(f"{seed}:{number}",), daemon=True, name=f"caller {number}")
            for number in range(callers)
        ]
        clock = threading.Thread(target=self.pass_time, daemon=True, name="clock")
        for thread in (*lives, clock):
            thread.start()
        try:
            self.kill(kills, seed, say)
        except RuntimeError as error:
            self.wrong.append(str(error))
        self.stack.standin.checked("DELETE", "/_control/faults", None)
        self.enough.set()
        for life in lives:
            life.join(2 * PATIENCE_S)
        self.wrong += [f"{life.name} never ended" for life in lives if life.is_alive()]
        self.at_rest.set()
        clock.join()

    def play(self, seed: str) -> None:
        """Play one story after another, until `enough`."""
        rng = random.Random(seed)
        while not self.enough.is_set():
            story = rng.choice(STORIES)
            try:
                self.endings += story(Visit(self.stack, self.diary, self.merchant_id, rng))
            except Exception as error:
                self.wrong.append(f"{story.__name__} ({seed}): {error!r}")

    def pass_time(self) -> None:
        """Move the clock and sweep; a sweep may die with its process, like any request."""
        while not self.at_rest.wait(TICK_S):
            self.stack.move_clock(self.stack.now() + TICK)
            control = JsonClient(self.stack.control.base_url)
            try:
                control.post("/sweep")
            except (OSError, http.client.HTTPException):
                continue
            finally:
                control.close()

    def _await_answers(self, number: int) -> None:
        """Raises RuntimeError if no request is answered any more."""
        enough = self.diary.answered + number
        deadline = time.monotonic() + PATIENCE_S
        while self.diary.answered < enough:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {number} requests were answered within {PATIENCE_S:.0f} s")
            time.sleep(LOOK_AGAIN_S)

    def kill(self, number: int, seed: int, say: Callable[[int], None]) -> None:
        """SIGKILL this number of processes and start a new one for each.

        Raises RuntimeError if one had died by itself.
        """
        rng, workers = random.Random(seed), self.stack.workers
        killed = 0
        while killed < number:
            self._await_answers(rng.randint(*ANSWERED))
            time.sleep(rng.uniform(0, AIM_S))
            doomed = list(workers.pids) if rng.random() < ALL_AT_ONCE else [rng.choice(workers.pids)]
            for pid in doomed:
                workers.kill(pid)
            for _ in doomed:
                workers.start()
            killed += len(doomed)
            say(killed)
