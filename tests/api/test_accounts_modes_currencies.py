"""Events, payments and pointers are applied only to tabs of their own account, mode and currency, on every way in."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from .test_reconciliation import found, night
from .world import CARD_TERMS, Shop, World, billed, paid, settled

CARD = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://example.test"}


def account(world: World) -> str:
    """Somebody connects their Stripe account to ours."""
    return str(world.at_stripe("accounts", {"type": "standard", "country": "DE"})["id"])


def shop_in(world: World, its_account: str) -> Shop:
    body = {"name": "Spa", "currency": "EUR", "settlement_currency": "EUR", "account": its_account}
    return Shop(world, world.operator.post("/v1/merchants", body).ok(201)["merchant_id"])


def names(shop: Shop, tab: dict[str, Any], attempt: str = "att_x") -> dict[str, str]:
    """Our metadata, as anybody can copy it."""
    ours = {"app": "aftertab", "stage": "dev", "merchant": shop.merchant_id, "tab": tab["tab_id"], "attempt": attempt}
    return {f"metadata[{name}]": value for name, value in ours.items()}


def pay_past_us(world: World, metadata: dict[str, str], its_account: str | None = None, **more: Any) -> dict[str, Any]:
    headers = {} if its_account is None else {"Stripe-Account": its_account}
    return world.at_stripe(
        "payment_intents", {"amount": 8000, "currency": "eur", **CARD, **metadata, **more}, **headers
    )


def last_event(world: World, kind: str, its_account: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": "Bearer sk_test_standin"} | ({"Stripe-Account": its_account} if its_account else {})
    listed = world.http.get(f"{world.base}/v1/events", params={"limit": 100, "type": kind}, headers=headers).json()
    event: dict[str, Any] = listed["data"][0]
    # As it is sent to the platform's endpoint; listed in the account's own name, it does not name it.
    return {**event, "account": its_account} if its_account else event


def counted(caplog: pytest.LogCaptureFixture, metric: str) -> int:
    return sum(getattr(record, "metrics", {}).get(metric, 0) for record in caplog.records)


# The account


def test_a_payment_in_another_account_pays_nothing_here(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Account B's owner copies our metadata onto a payment to themselves: the tab of account A stays unpaid."""
    theirs = account(world)
    shop_in(world, theirs)
    tab = billed(shop, shop.customer(), 8000)
    made = pay_past_us(world, names(shop, tab), theirs)

    with caplog.at_level(logging.INFO, "chalicelib"):
        said = world.webhook(last_event(world, "payment_intent.succeeded", theirs)).ok()["result"]
        figures = night(world)

    assert said == "misplaced"
    assert (counted(caplog, "EventsMisplaced"), figures["money_mismatch"]) == (1, 1)
    assert found(caplog) == [("account_differs", False)]
    assert shop.seen(tab) == tab
    assert made["status"] == "succeeded"


def test_a_refund_in_another_account_gives_nothing_back_here(world: World, shop: Shop) -> None:
    """Whatever object bears our metadata: a refund in B that names a payment's tab in A."""
    theirs = account(world)
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    made = pay_past_us(world, {}, theirs)
    world.at_stripe("refunds", {"payment_intent": made["id"], **names(shop, tab)}, **{"Stripe-Account": theirs})

    assert world.webhook(last_event(world, "refund.created", theirs)).ok()["result"] == "misplaced"
    assert shop.seen(tab) == tab


def test_a_card_saved_in_another_account_is_nobodys_here(world: World, shop: Shop) -> None:
    """A set-up in B that names a customer of A's: the customer keeps having no card."""
    theirs = account(world)
    ana = shop.customer()
    ours = {"app": "aftertab", "stage": "dev", "merchant": shop.merchant_id, "customer": str(ana.customer_id)}
    named = {f"metadata[{name}]": value for name, value in ours.items()}
    headers = {"Stripe-Account": theirs}
    somebody = world.at_stripe("customers", {}, **headers)["id"]
    world.at_stripe("setup_intents", {"customer": somebody, "usage": "off_session", **CARD, **named}, **headers)

    assert world.webhook(last_event(world, "setup_intent.succeeded", theirs)).ok()["result"] == "misplaced"
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] is None


def test_an_account_is_believed_about_its_own_tabs(world: World) -> None:
    """The same news from the account that the tab is kept in closes the tab."""
    theirs = account(world)
    spa = shop_in(world, theirs)
    bea = spa.customer()
    tab = billed(spa, bea, 8000)
    asked = bea.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    assert world.confirm(asked)["status"] == "succeeded"

    assert world.webhook(last_event(world, "payment_intent.succeeded", theirs)).ok()["result"] == "handled"
    assert settled(spa, tab)["status"] == "closed"


# The mode


@pytest.mark.parametrize("field", ["the event", "its object"])
def test_an_event_of_the_other_mode_is_counted_and_not_believed(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    """A live event where we work with test money: 200, since Stripe sends a live endpoint both, and nothing booked."""
    ana = shop.customer()
    tab = billed(shop, ana, 8000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked)
    event = last_event(world, "payment_intent.succeeded")
    before = shop.seen(tab)
    claimed = event if field == "the event" else event["data"]["object"]

    claimed["livemode"] = True
    with caplog.at_level(logging.INFO, "chalicelib"):
        said = world.webhook(event).ok()["result"]

    assert (said, counted(caplog, "EventsOfOtherMode")) == ("other_mode", 1)
    assert shop.seen(tab) == before
    claimed["livemode"] = False
    assert world.webhook(event).ok()["result"] == "handled"
    assert settled(shop, tab)["status"] == "closed"


def test_a_card_of_the_other_mode_is_not_brought_in_at_night(world: World, shop: Shop) -> None:
    """The list of events is a way in, too."""
    world.control("faults", {"kind": "event_livemode", "path": "setup_intent.succeeded"})
    ana = shop.customer()
    asked = ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}).ok(201)
    assert world.confirm_setup(asked)["status"] == "succeeded"

    figures = night(world)

    assert (figures["differences"], figures["repaired"]) == (0, 0)
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] is None


# The currency


@pytest.mark.parametrize("heard", [True, False], ids=["by webhook", "at night"])
def test_a_payment_in_another_currency_pays_nothing_here(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture, heard: bool
) -> None:
    """8000 yen with our metadata do not pay 80.00 euros: flagged, not applied, and a difference of its own."""
    tab = billed(shop, shop.customer(), 8000)
    pay_past_us(world, names(shop, tab), currency="jpy")
    if heard:
        assert set(world.deliver()) <= {"handled", "ignored"}

    with caplog.at_level(logging.INFO, "chalicelib"):
        night(world)

    after = shop.seen(tab)
    assert found(caplog) == [("currency_differs", False)]
    assert (after["status"], after["paid_minor"], after["legs"]) == ("in_review", 0, [])
    assert [flag["kind"] for flag in after["flags"]] == (["other_currency"] if heard else [])
