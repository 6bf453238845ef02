"""A story of `make demo` about a merchant's own system."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from devstack.books import Money
from devstack.receiver import receiver
from devstack.stack import Stack
from devstack.stories.business import Business, Say, StoryFailed

DOWN = timedelta(hours=72)
SWEEPS = 12
LAST_TRY = timedelta(hours=84)


def outage(stack: Stack, say: Say) -> None:
    """A till that is down for three days, and gets everything: each notice as logged, those of a tab in order"""
    with receiver() as till:
        bar = Business(stack, say, name="Bar Central")
        made = bar.owner.post("/endpoints", {"url": till.url, "description": "Till", "ordered": True})
        endpoint = f"/endpoints/{made['endpoint']['endpoint_id']}"
        say(f"Bar Central names its till's address, {till.url}, and is shown the secret, this once.")
        till.is_down = True
        begun = stack.now()
        tabs = [_paid(bar, "Eva")]
        stack.sweep()
        for number in range(SWEEPS):
            if number == SWEEPS // 2:
                tabs.append(_paid(bar, "Leo"))
            stack.move_clock(stack.now() + DOWN / SWEEPS)
            stack.sweep()
        state = bar.owner.get(endpoint)
        if till.notices or state["failing_since"] is None:
            raise StoryFailed(f"the till is down, and {len(till.notices)} notices were taken: {state}")
        say(f"It is down for three days. Two tabs are opened and paid meanwhile; {till.tries} tries find it down.")
        till.is_down = False
        while stack.now() < begun + DOWN + LAST_TRY and any(one["next_try_at"] for one in _log(bar, endpoint)):
            stack.move_clock(stack.now() + timedelta(hours=6))
            stack.sweep()
        logged = _log(bar, endpoint)
        taken = till.verified(made["secret"])
        if {one["state"] for one in logged} != {"delivered"}:
            raise StoryFailed(f"not everything was delivered: {[(one['notice_id'], one['state']) for one in logged]}")
        if sorted(notice_id for notice_id, _ in taken) != sorted(one["notice_id"] for one in logged):
            raise StoryFailed("what was taken is not what the log says")
        for tab in tabs:
            seqs = [body["data"]["seq"] for _, body in taken if body["data"]["tab_id"] == tab["tab_id"]]
            history = bar.staff.history(tab["tab_id"])
            if seqs != [entry["seq"] for entry in history]:
                raise StoryFailed(f"{tab['tab_id']} was told in the order {seqs}")
        say(f"It is up again: {len(taken)} notices, each once, every signature verified, those of a tab in order.")
        if bar.owner.get(endpoint)["failing_since"] is not None:
            raise StoryFailed("the till takes everything, and counts as failing")
        for tab in tabs:
            bar.expect(
                tab,
                status="closed",
                payment_state="paid",
                money=Money(charged=900),
                ledger={"service_revenue": -900, "stripe_balance": 900},
            )


def _paid(bar: Business, guest: str) -> dict[str, Any]:
    """A tab of two drinks, paid on the phone."""
    customer = bar.customer(guest)
    tab: dict[str, Any] = bar.staff.post(
        "/tabs",
        {
            "customer_id": customer.customer_id,
            "title": "Two drinks",
            "expected_outcome": "Drinks as ordered",
            "estimate_minor": 900,
        },
    )
    customer.accept_promise(tab, ["cap"])
    bar.staff.post(f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Drinks", "unit_price_minor": 900}]})
    bar.staff.post(f"/tabs/{tab['tab_id']}/complete")
    payment = customer.api.post(f"/tabs/{tab['tab_id']}/charges", {"mode": "on_session"})["payment"]
    customer.phone.pay(payment)
    return bar.tab(tab)


def _log(bar: Business, endpoint: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = bar.owner.get(f"{endpoint}/notices?limit=100{cursor}")
        found += page["notices"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
