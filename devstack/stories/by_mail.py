"""The story of a bill that is paid from its mail, in a real browser."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from devstack.books import Money
from devstack.chromium import CHROMIUM, QUIETLY
from devstack.stack import Stack
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
        # In a thread of its own: Playwright allows one loop in each, and tests of other pages may have one here.
        with ThreadPoolExecutor(max_workers=1) as thread:
            receipt = thread.submit(_pay, CHROMIUM, link[0]).result()
        say(f"She chooses a tip of 10 %, pays on Stripe's page, and is led back. Her page says: {receipt}")
    bistro.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=3520),
        ledger={"service_revenue": -3200, "tips": -320, "stripe_balance": 3520},
    )


def _pay(chromium: str, link: str) -> str:
    """What the page says in the end. Raises StoryFailed."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIETLY)
        page = browser.new_page(locale="en", viewport={"width": 390, "height": 844})
        page.set_default_timeout(15_000)
        try:
            page.goto(link)
            page.get_by_label("10 %").check()
            page.get_by_role("button", name="Pay €32.00").click()
            page.fill("#number", "4242 4242 4242 4242")
            page.fill("#expiry", "12 / 34")
            page.fill("#cvc", "123")
            page.click("#pay")
            page.wait_for_url(f"{link}?**")
            # The page looks for changes by itself, and shows the receipt once the webhook is here.
            page.get_by_text("Paid. Thank you! €35.20").wait_for()
            return page.get_by_role("heading", level=1).inner_text() + ": Paid. Thank you! €35.20"
        except Error as error:
            seen = " ".join(page.locator("body").inner_text().split())
            raise StoryFailed(f"the page at {page.url} is not as expected: {error.message}; it says: {seen}") from error
        finally:
            browser.close()
