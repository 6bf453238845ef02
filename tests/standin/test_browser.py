"""A person in a real browser: pays on the hosted page, and watches and moves time on the overview."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from devstack.chromium import CHROMIUM, QUIETLY

from .conftest import Standin

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on this machine: apt-get install chromium"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page on which an error of its script fails the test."""
    errors: list[str] = []
    opened = browser.new_page()
    opened.set_default_timeout(15_000)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


def test_a_browser_pays_on_the_hosted_page(client: stripe.StripeClient, standin: Standin, page: Any) -> None:
    """Declined, then asked by the bank, then paid: the page says each, and leads to success_url."""
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 2}],
            "success_url": f"{standin.base}/?paid={{CHECKOUT_SESSION_ID}}",
            "adaptive_pricing": {"enabled": False},
        }
    )

    def pay_with(number: str) -> None:
        for field, text in (("Card number", number), ("Expiry (MM / YY)", "12 / 34"), ("CVC", "123")):
            page.get_by_label(field).fill(text)
        page.get_by_role("button", name="Pay €25.00").click()

    page.goto(session.url)
    page.get_by_label("Email").fill("ada@example.com")
    pay_with("4000 0000 0000 9995")
    assert page.get_by_role("alert").inner_text() == "Your card has insufficient funds."
    assert page.get_by_label("Email").input_value() == "ada@example.com"
    pay_with("4000 0027 6000 3184")
    page.get_by_role("button", name="Complete authentication").click()
    page.wait_for_url(f"**/?paid={session.id}")

    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_status, paid.payment_intent.amount_received) == ("complete", "paid", 2500)
    assert paid.customer_details.email == "ada@example.com"


def test_a_browser_watches_a_hold_and_moves_time(
    client: stripe.StripeClient, standin: Standin, pay: Callable[..., Any], page: Any
) -> None:
    """The overview shows the hold with its clock, and what becomes of it when the clock is moved past it."""
    client.v1.customers.create({"name": "<b>Ada</b>"})
    hold = pay(5000, capture_method="manual")

    page.goto(standin.base)
    held = page.locator("#holds")
    held.get_by_text("7 d 0 h").wait_for()
    assert "€50.00" in held.inner_text()
    assert "<b>Ada</b>" in page.locator("#customers").inner_text()
    page.get_by_role("button", name="to what is due next").click()

    page.locator("#events").get_by_text("charge.expired").wait_for()
    held.get_by_text("no money is held").wait_for()
    assert client.v1.payment_intents.retrieve(hold.id).cancellation_reason == "expired"
