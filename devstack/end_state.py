"""Lets time pass until nothing is left to do, and says what is wrong with a tab then; for races and the kill test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.books import Money, differences, money_of_app, money_of_standin
from devstack.invariants import History, Objects, by_tab, check_everything
from devstack.stack import Stack

STEPS = 100
"""How often the clock is moved before we say that it never ends."""

Get = Callable[[str], Any]
"""Asks the API for a path, as somebody of the business."""


def run_until_idle(
    stack: Stack, tabs: Mapping[str, Get], *, late: timedelta = timedelta()
) -> dict[str, dict[str, Any]]:
    """Move the clock from one agenda's next step to the next and sweep, until no tab has one; the tabs then, by id.

    `tabs`: by id, who asks for it. `late`: by how much every sweep comes too late, so that many tabs need fewer of
    them. A tab that does not come to rest is left as it is after STEPS.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting = dict(tabs)
    for _ in range(STEPS):
        stack.drain()
        for tab_id, get in list(waiting.items()):
            found[tab_id] = get(f"/tabs/{tab_id}")
            if found[tab_id]["next_action"] is None:
                del waiting[tab_id]
        if not waiting:
            break
        next_at = min(datetime.fromisoformat(found[tab_id]["next_action"]["at"]) for tab_id in waiting)
        stack.move_clock(max(next_at + late, stack.now()))
        stack.sweep()
    return found


class StripeBooks:
    """Stripe's side of every tab, as it is when this is made."""

    def __init__(self, stack: Stack) -> None:
        self._sums = stack.standin.get("/_control/books")
        self._objects = by_tab(stack.at_stripe("payment_intents"), stack.at_stripe("refunds"))

    @property
    def tab_ids(self) -> set[str]:
        """Every tab that Stripe has heard of."""
        return set(self._objects)

    def problems(
        self, tab: dict[str, Any], history: History, told: Acknowledged, expected: Money, currency: str = "EUR"
    ) -> list[str]:
        """What is wrong with a tab that has come to rest: what must always hold, what people were told, its money."""
        return [
            *([f"flagged: {tab['flagged']}"] if tab["flagged"] else []),
            *check_everything(tab, history, self._objects.get(tab["tab_id"], Objects())),
            *told.check(tab, history),
            *differences("the app", expected, money_of_app(tab)),
            *differences("Stripe", expected, money_of_standin(self._sums, tab["tab_id"], currency)),
        ]
