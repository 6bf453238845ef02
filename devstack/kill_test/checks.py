"""After a kill test: everything recovers, and the answers are compared with the result, to the cent."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from devstack.end_state import StripeBooks, run_until_idle
from devstack.http import HttpError
from devstack.invariants import check_split, check_told
from devstack.kill_test.caller import Caller
from devstack.kill_test.run import Run

LATE = timedelta(hours=6)
REPEATS = 150
"""How many acknowledged requests are sent once more at the end."""


def check_repeats(run: Run, rng: random.Random) -> int:
    """Send some acknowledged requests again: nothing may change, and the answer must be about the same.

    Returns how many.
    """
    # A request for a payment that already waits changes nothing and stores no record; repeated, it asks for another.
    changes = [change for change in run.diary.changes if not change.path.endswith("/charges")]
    sample = rng.sample(changes, min(REPEATS, len(changes)))
    for change in sample:
        try:
            reply = change.caller.repeat(change)
        except HttpError as refused:
            run.wrong.append(f"POST {change.path} had been answered, and is refused now: {refused}")
            continue
        if reply.headers.get("idempotent-replayed") != "true":
            run.wrong.append(f"POST {change.path} had been answered, and was done anew")
        if _subject(reply.body) != _subject(change.answer):
            run.wrong.append(f"POST {change.path} was answered about {_subject(change.answer)}, now {reply.body}")
    return len(sample)


def _subject(answer: dict[str, Any]) -> Any:
    """What an answer is about: a tab, a customer, or the shares of a split with their links."""
    if "legs" in answer:
        return answer["tab_id"]
    return answer["shares"] if "shares" in answer else answer.get("customer_id")


def check_endings(run: Run) -> None:
    """Check every tab at its end: the money that its story must have moved, in both books, and the invariants."""
    stack, told = run.stack, run.diary.told
    stack.standin.post("/_control/webhooks/retry")
    tabs = run_until_idle(stack, {ending.tab_id: ending.staff.get for ending in run.endings}, late=LATE)
    stack.pump()
    books = StripeBooks(stack)
    for ending in run.endings:
        tab = tabs[ending.tab_id]
        entries = history(ending.staff, ending.tab_id)
        problems = [*books.problems(tab, entries, told, ending.money), *check_told(entries)]
        cash = sum(leg["amount_minor"] for leg in tab["legs"] if leg["kind"] == "cash")
        listed = ending.staff.get(f"/tabs?customer_id={ending.customer_id}")["tabs"]
        problems += [
            text
            for text, is_wrong in (
                (f"it is {tab['status']}, not closed", tab["status"] != "closed"),
                (f"cash {cash}, not {ending.cash_minor}", cash != ending.cash_minor),
                (f"{len(listed)} tabs were opened for one", len(listed) != 1),
                (
                    f"the bill came to {tab['amount_due_minor']}, not {ending.billed_minor}",
                    tab["amount_due_minor"] != ending.billed_minor,
                ),
            )
            if is_wrong
        ]
        if ending.shares:
            problems += check_split(tab, [tabs[share_id] for share_id in ending.shares])
        run.wrong += [f"{ending.story}, {ending.tab_id}: {problem}" for problem in problems]
    run.wrong += told.check_keys()
    if strangers := books.tab_ids - set(told.tab_ids):
        run.wrong.append(f"Stripe has payments of {len(strangers)} tabs nobody was told of: {min(strangers)}")


def history(staff: Caller, tab_id: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = staff.get(f"/tabs/{tab_id}/timeline?limit=100" + (f"&cursor={cursor}" if cursor else ""))
        entries += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return entries
