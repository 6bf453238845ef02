"""The story of a bill that is paid from its mail, in a real browser."""

from __future__ import annotations

import re

from devstack.books import Money
from devstack.chromium import CHROMIUM
from devstack.stack import Stack
from devstack.stories.browser import in_browser, pay
from devstack.stories.business import Business, Say, StoryFailed

MAIL = "noa@example.com"


def paid_from_the_mail(stack: Stack, say: Say) -> None:
    """The bill comes by mail: a browser opens its link, pays with a tip on Stripe's page, and shows the receipt"""
    bistro = Business(stack, say, name="Bistro Noord")
    noa = bistro.customer("Noa")
    noa.api.put(f"/customers/{noa.customer_id}/contact", {"name": "Noa", "email": MAIL})
    tab = bistro.staff.post(
        "/tabs",
        {
            "customer_id": noa.customer_id,
            "title": "Dinner",
            "expected_outcome": "A dinner you enjoy",
            "estimate_minor": 3200,
        },
    )
    noa.accept_promise(tab, ["cap"])
    item = {"description": "Menu of the day", "unit_price_minor": 3200}
    bistro.staff.post(f"/tabs/{tab['tab_id']}/items", {"items": [item]})
    bistro.staff.post(f"/tabs/{tab['tab_id']}/complete")
    stack.drain()
    stack.pump()
    mail = stack.handed_over(MAIL)[-1]
    link = re.search(r"http\S+/t/[0-9A-Z]{26}", mail["text"])
    if link is None:
        raise StoryFailed(f"the mail “{mail['subject']}” has no link to the tab")
    say(f"Noa goes home, and finds a mail: {mail['subject']}. Its link is hers alone, and needs no account.")
    if CHROMIUM is None:
        say("There is no Chromium here (apt-get install chromium), so no browser opens it. She pays in an app.")
        asked = {"mode": "on_session", "tip_minor": 320}
        noa.phone.pay(noa.api.post(f"/tabs/{tab['tab_id']}/charges", asked)["payment"])
    else:
        receipt = in_browser(CHROMIUM, lambda page: pay(page, link[0], "Pay €32.00", "Paid. Thank you! €35.20"))
        say(f"She chooses a tip of 10 %, pays on Stripe's page, and is led back. Her page says: {receipt}")
    bistro.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=3520),
        ledger={"service_revenue": -3200, "tips": -320, "stripe_balance": 3520},
    )
