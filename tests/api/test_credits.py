"""Credit over HTTP and on the page: earned, shown, spent, and friends invited."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .test_pages import Browser
from .world import Caller, Reply, Shop, World, amounts, billed, paid, settled

DAY_S = 24 * 3600
TERMS = {"rate_basis_points": 1000, "referral_minor": 500, "referral_least_minor": 2000}


@pytest.fixture
def shop(world: World) -> Shop:
    return world.shop(credits=TERMS)


def credits_of(who: Caller) -> dict[str, Any]:
    found: dict[str, Any] = who.get(f"/v1/customers/{who.customer_id}/credits").ok()
    return found


def with_credit(shop: Shop, reference: str = "Ana") -> Caller:
    """A customer with 5.00 that can be spent now."""
    ana = shop.customer(reference)
    paid(shop, ana, billed(shop, ana, 5000))
    shop.world.move(days=14)
    return ana


def text_of(reply: Reply) -> str:
    return re.sub(r"\s+", " ", reply.raw.decode())


def test_a_visit_is_paid_and_earns_and_the_next_is_paid_with_it(shop: Shop) -> None:
    """What the tab says it would earn, the statement has, pending for two weeks; then it pays a part of another."""
    ana = shop.customer()
    tab = billed(shop, ana, 5000)
    assert tab["credit"] == {"would_earn_minor": 500, "earned_minor": 0, "active_at": None}
    tab = paid(shop, ana, tab)
    assert tab["credit"]["earned_minor"] == 500
    pending = credits_of(ana)
    assert (pending["account"]["active_minor"], pending["account"]["pending_minor"]) == (0, 500)
    assert [(lot["kind"], lot["left_minor"], lot["tab_id"]) for lot in pending["lots"]] == [
        ("earned", 500, tab["tab_id"])
    ]

    shop.world.move(days=14)
    next_tab = billed(shop, ana, 3000)
    asked = ana.post(f"/v1/tabs/{next_tab['tab_id']}/charges", {"mode": "on_session", "credit_minor": 500}).ok()
    assert asked["payment"]["amount_minor"] == 2500
    shop.world.confirm(asked["payment"])
    shop.world.deliver()
    next_tab = shop.seen(next_tab)

    assert amounts(next_tab) == [("credit", 500), ("charge", 2500)]
    kinds = [(line["kind"], line["amount_minor"]) for line in credits_of(ana)["movements"]]
    assert kinds == [("earned", 250), ("spent", -500), ("earned", 500)]
    assert credits_of(ana) == shop.staff.get(f"/v1/customers/{ana.customer_id}/credits").ok()


def test_more_than_there_is_is_refused(shop: Shop) -> None:
    ana = with_credit(shop)
    tab = billed(shop, ana, 3000)

    refused = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"credit_minor": 501})

    assert refused.problem(409, "credit_not_available")["spendable_minor"] == 500
    assert shop.seen(tab)["status"] == "in_review"
    ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "off_session", "credit_minor": 5}).problem(
        422, "invalid_input"
    )


def test_a_wish_is_the_customers_own(shop: Shop) -> None:
    ana = with_credit(shop)
    path = f"/v1/customers/{ana.customer_id}/credits"
    shop.staff.put(path, {"spends_by_itself": True}).problem(403, "forbidden")
    assert ana.put(path, {"spends_by_itself": True}, key="once").ok()["spends_by_itself"] is True
    assert ana.put(path, {"spends_by_itself": True}, key="once").header("Idempotent-Replayed") == "true"

    tab = billed(shop, ana, 3000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    assert amounts(shop.seen(tab)) == [("credit", 500)]


def test_the_policy_has_terms_or_none(world: World, shop: Shop) -> None:
    terms = shop.owner.get("/v1/merchant").ok()["policy"]["credits"]
    assert terms | TERMS == terms and terms["pending_s"] == 14 * DAY_S
    assert shop.owner.put("/v1/merchant/policy", {}).ok()["merchant"]["policy"]["credits"] is None
    too_short = {"credits": {"pending_s": 5 * DAY_S, "expires_s": 5 * DAY_S}}
    shop.owner.put("/v1/merchant/policy", too_short).problem(422, "invalid_input")
    ana = shop.customer()
    assert paid(shop, ana, billed(shop, ana, 5000))["credit"] is None
    assert credits_of(ana)["account"]["currency"] is None


# The page


def open_page(shop: Shop, tab: dict[str, Any], scope: str = "full") -> Browser:
    made = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": scope}).ok(201)
    return Browser(shop.world, made["secret"])


def test_the_page_offers_credit_and_nothing_is_ticked(shop: Shop) -> None:
    ana = with_credit(shop)
    page = open_page(shop, tab := billed(shop, ana, 3000))
    assert "Pay €5.00 with my credit, and €25.00 here" in page.text
    assert "You have €5.00, which you can spend now." in page.text
    assert 'name="credit" value="500">' in page.page.raw.decode()

    sent = page.send("pay", {"tip": "0", "credit": "500"})

    assert sent.status == 303
    assert amounts(shop.seen(tab)) == [("credit", 500)]
    assert shop.seen(tab)["payment"]["amount_minor"] == 2500


def test_unticked_credit_stays_whatever_was_wished(shop: Shop) -> None:
    ana = with_credit(shop)
    ana.put(f"/v1/customers/{ana.customer_id}/credits", {"spends_by_itself": True}).ok()
    page = open_page(shop, tab := billed(shop, ana, 3000))
    assert 'name="credit" value="500" checked>' in page.page.raw.decode()

    page.send("pay", {"tip": "0"})

    assert amounts(shop.seen(tab)) == []


def test_credit_that_is_gone_is_said_on_the_page(shop: Shop) -> None:
    ana = with_credit(shop)
    page = open_page(shop, tab := billed(shop, ana, 3000))
    other = billed(shop, ana, 2000)
    ana.post(f"/v1/tabs/{other['tab_id']}/accept_bill", {"credit_minor": 500}).ok()

    sent = page.send("pay", {"tip": "0", "credit": "500"})

    assert sent.status == 409
    assert "Your credit is not the same any more" in page.text
    assert amounts(shop.seen(tab)) == []


def test_credit_pays_it_all_without_a_payment_page(shop: Shop) -> None:
    ana = with_credit(shop)
    page = open_page(shop, tab := billed(shop, ana, 500))

    page.send("pay", {"tip": "0", "credit": "500"})

    assert shop.seen(tab)["status"] == "closed"
    assert "You accepted the bill." in page.text and "Paid with your credit" in page.text


def test_whoever_only_pays_is_not_shown_the_credit(shop: Shop) -> None:
    ana = with_credit(shop)
    page = open_page(shop, billed(shop, ana, 3000), "pay")

    assert "with my credit" not in page.text and "You have" not in page.text


# Invitations


def test_a_friend_is_invited_by_a_page(shop: Shop) -> None:
    ana = with_credit(shop)
    made = ana.post(f"/v1/customers/{ana.customer_id}/invitation").ok()["invitation"]
    code = made["code"]
    assert made["url"].endswith(f"/r/{code}")
    said = text_of(shop.world.stranger.get(f"/r/{code.lower()}"))
    assert "You are invited" in said and code in said and "€20.00" in said and "14 days" in said
    ended = shop.world.stranger.get("/r/NOSUCHCODE")
    assert ended.status == 404 and "This invitation has ended" in text_of(ended)

    bob = shop.customer("Bob")
    path = f"/v1/customers/{bob.customer_id}/invited"
    assert bob.post(path, {"code": "NOSUCHCODE"}).problem(409, "referral_refused")["why"] == "unknown_code"
    assert bob.post(path, {"code": code}).ok()["invited"]["by_customer_id"] == ana.customer_id
    # Accepted by nobody: every caller of these tests has the same device.
    tab = shop.complete(shop.open(bob, 3000), 3000)
    asked = bob.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    shop.world.confirm(asked, "pm_card_mastercard")
    settled(shop, tab)

    assert credits_of(bob)["account"]["invited"]["rewarded_with_tab_id"] == tab["tab_id"]
    assert credits_of(bob)["account"]["pending_minor"] == 800
    assert credits_of(ana)["account"]["pending_minor"] == 500
    ana.post(f"/v1/customers/{ana.customer_id}/invited", {"code": code}).problem(409, "referral_refused")


def test_the_same_card_is_known_by_its_fingerprint(shop: Shop) -> None:
    """Stripe says the same of a card whoever uses it."""
    ana = with_credit(shop)
    code = ana.post(f"/v1/customers/{ana.customer_id}/invitation").ok()["invitation"]["code"]
    twin = shop.customer("Twin")
    twin.post(f"/v1/customers/{twin.customer_id}/invited", {"code": code}).ok()
    paid(shop, twin, billed(shop, twin, 3000))

    assert credits_of(twin)["account"]["invited"]["refused"] == "same_card"
