"""A phone's browser, for stories in which somebody opens a page and uses what is on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devstack.chromium import QUIETLY
from devstack.stories.business import StoryFailed


def in_browser(chromium: str, act: Callable[[Any], str]) -> str:
    """What `act` reads from a page in the end. Raises StoryFailed where the page is not as it expects."""
    # In a thread of its own: Playwright allows one loop in each, and tests of other pages may have one here.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_act, chromium, act).result()


def pay(page: Any, link: str, button: str, receipt: str) -> str:
    """Open the link, choose a tip of 10 %, pay on Stripe's page, and come back: title and what is said."""
    page.goto(link)
    page.get_by_label("10 %").check()
    page.get_by_role("button", name=button).click()
    page.fill("#number", "4242 4242 4242 4242")
    page.fill("#expiry", "12 / 34")
    page.fill("#cvc", "123")
    page.click("#pay")
    page.wait_for_url("**/t/**back=1**")
    # The page looks for changes by itself, and shows the receipt once the webhook is here.
    page.get_by_text(receipt).wait_for()
    return f"{page.get_by_role('heading', level=1).inner_text()}: {receipt}"


def contest_half(page: Any, link: str, amount: str, reason: str) -> str:
    """Open a token's page, make the tab one's own, and contest this amount: what the page says then."""
    page.goto(link)
    page.get_by_role("button", name="This is my tab").click()
    page.wait_for_url("**/t/**taken_over**")
    page.locator("summary", has_text="Something is wrong").click()
    page.get_by_label("A part of it:").check()
    page.locator("#contest input[name=amount]").fill(amount)
    page.get_by_label("What happened?").fill(reason)
    page.get_by_role("button", name="Tell them").click()
    page.get_by_text("The business was told.").wait_for()
    return str(page.locator(".figure").first.inner_text()) + " is contested"


def _act(chromium: str, act: Callable[[Any], str]) -> str:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIETLY)
        page = browser.new_page(locale="en", viewport={"width": 390, "height": 844})
        page.set_default_timeout(15_000)
        try:
            return act(page)
        except Error as error:
            seen = " ".join(page.locator("body").inner_text().split())
            raise StoryFailed(f"the page at {page.url} is not as expected: {error.message}; it says: {seen}") from error
        finally:
            browser.close()
