"""The story of two coins that are scanned with a phone, in a real browser."""

from __future__ import annotations

from typing import Any

from devstack.books import Money
from devstack.chromium import CHROMIUM
from devstack.stack import Stack
from devstack.stories.browser import contest_half, in_browser, pay
from devstack.stories.business import Business, Say, StoryFailed


def scanned_coins(stack: Stack, say: Say) -> None:
    """Two coins are scanned: one is paid with a tip and leaves a receipt, half of the other is contested"""
    bar = Business(stack, say, name="Bar Celeste")
    coins = bar.owner.post("/tokens", {"first": 31, "count": 2})["tokens"]
    pages = [f"{stack.app.base_url}/t/{coin['secret']}" for coin in coins]
    paid, contested = (_served(bar, number, minor) for number, minor in ((31, 420), (32, 4000)))
    say("Two guests have a coin each and no account: an espresso tonic for EUR 4.20, a tasting for EUR 40.00.")
    if CHROMIUM is None:
        say("There is no Chromium here (apt-get install chromium), so no browser opens their pages.")
        return
    said = in_browser(CHROMIUM, lambda page: pay(page, pages[0], "Pay €4.20", "Paid. Thank you! €4.62"))
    say(f"The first scans theirs, chooses a tip of 10 %, pays on Stripe's page and is led back. The page says: {said}.")
    bar.expect(
        paid,
        status="closed",
        payment_state="paid",
        money=Money(charged=462),
        ledger={"service_revenue": -420, "tips": -42, "stripe_balance": 462},
    )
    say("Their coin is free again; the receipt stays on the phone, behind a link of its own.")
    said = in_browser(CHROMIUM, lambda page: contest_half(page, pages[1], "20", "We had one glass of the two."))
    say(f"The second makes the tab theirs and says that something is wrong. The page says: {said}.")
    contest = bar.tab(contested)["contest"]
    if contest is None or contest["contested_minor"] != 2000:
        raise StoryFailed(f"contested is {contest}, not 20.00")
    body = {"resolution": "adjust", "reduction_minor": 2000, "reason": "You are right."}
    bar.staff.post(f"/tabs/{contested['tab_id']}/resolve", body)
    bar.staff.post(f"/tabs/{contested['tab_id']}/cash", {"amount_minor": 2000})
    bar.expect(
        contested,
        status="closed",
        payment_state="paid",
        money=Money(),
        ledger={"service_revenue": -2000, "cash": 2000},
    )


def _served(bar: Business, number: int, minor: int) -> dict[str, Any]:
    """A tab for whoever has this coin, whose bill is presented."""
    new = {"title": f"Coin {number}", "expected_outcome": "A drink you enjoy", "estimate_minor": minor, "token": number}
    tab: dict[str, Any] = bar.staff.post("/tabs", new)
    items = [{"description": "At the bar", "unit_price_minor": minor}]
    bar.staff.post(f"/tabs/{tab['tab_id']}/items", {"items": items})
    bar.staff.post(f"/tabs/{tab['tab_id']}/complete")
    return tab
