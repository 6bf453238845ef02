"""Runs the races and checks the result of each: the answers, the money in both books, the invariants.

    python -m devstack.races --rounds 5 --clients 32 --workers 4 --database ministack

Ends with one line of figures; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from devstack import dynamodb_emulators
from devstack.books import money_of_app
from devstack.end_state import StripeBooks, run_until_idle
from devstack.invariants import Json, check_split
from devstack.races.requests import Clients
from devstack.races.scenarios import SCENARIOS, Scenario
from devstack.stack import Stack, stop_on_signals

STAGGER_S = 0.03
"""In every other round the requests are spread over this time instead of sent at once, so that others conflict."""


@dataclass(slots=True)
class Figures:
    races: int = 0
    requests: int = 0
    winners: int = 0
    same_answer: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        self.races += other.races
        self.requests += other.requests
        self.winners += other.winners
        self.same_answer += other.same_answer
        self.refused += other.refused
        self.wrong += other.wrong

    def __str__(self) -> str:
        by_code = ", ".join(f"{code} {number}" for code, number in self.refused.most_common())
        return (
            f"{self.races} races, {self.requests} requests: {self.winners} won, {self.same_answer} were answered the "
            f"same, {self.refused.total()} times 409 ({by_code or 'none'}); {len(self.wrong)} violations"
        )


def run_race(stack: Stack, scenario: Scenario, clients: Clients, seed: str) -> Figures:
    """Run one race, move time until nothing is left to do, and check the result."""
    rng = random.Random(seed)
    race = scenario(stack, rng, clients.number)
    staggered = rng.random() < 0.5
    delays_s = [rng.uniform(0, STAGGER_S) if staggered else 0.0 for _ in range(clients.number)]

    def warm() -> None:
        stack.app.get("/v1/health")

    results = clients.at_once(race.requests, warm, delays_s)
    expected, wrong = race.judge(results)
    race.finish()
    staff, told = race.business.staff, race.business.told
    ids = race.tab["tab_id"], *race.shares
    found = run_until_idle(stack, dict.fromkeys(ids, staff.get))
    tab, *shares = (found[tab_id] for tab_id in ids)
    books = StripeBooks(stack)
    wrong += books.problems(tab, staff.history(tab["tab_id"]), told, expected)
    for share in shares:
        # Who paid it, and so which tip is in it, is a matter of chance: its own books say, and Stripe's must agree.
        wrong += books.problems(share, staff.history(share["tab_id"]), told, money_of_app(share))
    if shares:
        wrong += wrong_shares(tab, shares)
    wrong += told.check_keys()
    return Figures(
        races=1,
        requests=sum(result.tries for result in results),
        winners=sum(result.won for result in results),
        same_answer=sum(result.succeeded and result.replayed and " " in result.who for result in results),
        refused=sum((result.refused for result in results), Counter()),
        wrong=[f"{scenario.__name__} ({seed}): {text}" for text in wrong],
    )


def wrong_shares(bill: Json, shares: Sequence[Json]) -> list[str]:
    """Bill and shares are one sum; each share was paid once with the tip of one phone, or its amount is the bill's."""
    wrong = check_split(bill, list(shares))
    for share in shares:
        kept = sum(leg["amount_minor"] - leg["refunded_minor"] for leg in share["legs"])
        out = share["parent"]["amount_minor"] - share["parent"]["returned_minor"]
        if kept != out + share["tip_minor"]:
            wrong.append(
                f"{kept} was kept of share {share['tab_id']}, which is {out} and a tip of {share['tip_minor']}"
            )
    paid = bill["paid_minor"] + sum(share["paid_minor"] - share["tip_minor"] for share in shares)
    if paid != bill["total_minor"]:
        wrong.append(f"{paid} of the bill's {bill['total_minor']} are paid")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=4, help="app processes on the one table")
    parser.add_argument("--database", choices=dynamodb_emulators.NAMES, default=dynamodb_emulators.MINISTACK)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[scenario.__name__ for scenario in SCENARIOS], action="append")
    given = parser.parse_args()
    stop_on_signals()
    scenarios = [scenario for scenario in SCENARIOS if not given.only or scenario.__name__ in given.only]
    total = Figures()
    began = time.monotonic()
    with (
        Stack(database=given.database, workers=given.workers, conflicts=True) as stack,
        Clients(given.clients) as clients,
    ):
        for scenario in scenarios:
            of_contest = Figures()
            for number in range(given.rounds):
                of_contest.add(run_race(stack, scenario, clients, f"{given.seed}:{scenario.__name__}:{number}"))
            print(f"{'✗' if of_contest.wrong else '✓'} {scenario.__doc__}: {of_contest}", flush=True)
            for text in of_contest.wrong[:20]:
                print(f"    {text[:600]}", flush=True)
            total.add(of_contest)
        met = stack.conflicts.get("/_conflicts")
    seconds = time.monotonic() - began
    where = f"{given.clients} clients, {given.workers} app processes, {given.database}, seed {given.seed}"
    transactions = f"{met['canceled']} of {met['transactions']} transactions canceled because they met another"
    print(f"races: {total}; {transactions} ({where}, {seconds:.0f} s)")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
