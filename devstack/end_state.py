"""Moves time until no tab has anything left to do, then checks each tab.

Used by the races, the kill test and the load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.books import Money, differences, money_of_app, money_of_standin
from devstack.invariants import History, Objects, by_tab, check_everything
from devstack.stack import Stack

STEPS = 100
"""How often the clock is moved at most."""

Get = Callable[[str], Any]
"""Reads a path of the API as a user of the business."""


def run_until_idle(
    stack: Stack, tabs: Mapping[str, Get], *, late: timedelta = timedelta()
) -> dict[str, dict[str, Any]]:
    """Move the clock to the next step of any agenda and sweep, until no tab has a next step. Returns the tabs by id.

    `tabs`: tab id → how to read it; a bill that was split comes with its shares, because it waits for their end.
    `late`: the delay of every sweep, so that one sweep serves many tabs. A tab that still has something to do after
    STEPS moves is returned as it is.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting = dict(tabs)
    for _ in range(STEPS):
        stack.drain()
        for tab_id, get in list(waiting.items()):
            found[tab_id] = get(f"/tabs/{tab_id}")
            if _is_idle(found[tab_id]):
                del waiting[tab_id]
        steps = [step["at"] for tab_id in waiting if (step := found[tab_id]["next_action"])]
        if not steps:
            break
        next_at = min(map(datetime.fromisoformat, steps))
        stack.move_clock(max(next_at + late, stack.now()))
        stack.sweep()
    return found


def _is_idle(tab: dict[str, Any]) -> bool:
    return tab["next_action"] is None and not any(share["state"] == "open" for share in tab["shares"])


class StripeBooks:
    """Stripe's objects and totals of every tab, as they are when this is created."""

    def __init__(self, stack: Stack) -> None:
        self._sums = stack.standin.get("/_control/books")
        self._objects = by_tab(*(stack.at_stripe(kind) for kind in ("payment_intents", "refunds", "disputes")))

    @property
    def tab_ids(self) -> set[str]:
        """Every tab that has a payment at Stripe."""
        return set(self._objects)

    def problems(
        self, tab: dict[str, Any], history: History, told: Acknowledged, expected: Money, currency: str = "EUR"
    ) -> list[str]:
        """What is wrong with a tab that has nothing left to do: the invariants, earlier answers, and its money."""
        return [
            *(f"flagged: {flag['reason']}" for flag in tab["flags"]),
            *check_everything(tab, history, self._objects.get(tab["tab_id"], Objects())),
            *told.check(tab, history),
            *differences("the app", expected, money_of_app(tab)),
            *differences("Stripe", expected, money_of_standin(self._sums, tab["tab_id"], currency)),
        ]
