"""Outcome tiers over HTTP and on the page: promised, chosen, kept silent about, contested; and two of five."""

from __future__ import annotations

from typing import Any

import pytest

from .test_pages import Browser
from .world import EVERYTHING, Caller, Shop, World, amounts, settled

TIERED: dict[str, Any] = {
    "tiers": [
        {"percent": 100, "measure": "Live by 1 March."},
        {"percent": 80, "measure": "Live by 15 March."},
        {"percent": 50, "measure": "Live by 1 April."},
    ],
    "silence_percent": 80,
}


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def billed(shop: Shop, ana: Caller, *, card: bool = False, **more: Any) -> dict[str, Any]:
    """Services of 100.00 with tax at 19 %, and a material of 20.00."""
    if card:
        shop.save_card(ana)
    tab = shop.open(ana, 20000, **TIERED, **more)
    shop.agree(ana, tab, EVERYTHING if card else ["cap"])
    shop.add(tab, 10000, tax_basis_points=1900)
    shop.add(tab, 2000, material=True)
    return shop.complete(tab)


def path(tab: dict[str, Any], verb: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{verb}"


def ended_at(shop: Shop, ana: Caller, percent: int) -> None:
    """One more of this customer's tabs, paid in cash at this tier."""
    tab = billed(shop, ana)
    chosen = ana.post(path(tab, "choose_tier"), {"percent": percent}).ok()
    shop.staff.post(path(tab, "cash"), {"amount_minor": chosen["balance_minor"]}).ok()
    shop.world.pump.run()


def test_a_consultant_is_paid_what_the_outcome_was_worth(shop: Shop, ana: Caller) -> None:
    """From the sealed tiers to the receipt: the saved card pays the chosen price and the tip."""
    tab = billed(shop, ana, card=True)

    assert [tier["total_minor"] for tier in tab["tier_prices"]] == [12000, 10000, 7000]
    assert (tab["price_percent"], tab["tier_percent"], tab["amount_due_minor"]) == (80, None, 10000)
    offered = shop.seen(tab, ana)["allowed_actions"]
    assert "choose_tier" in offered and "accept_bill" not in offered
    assert ana.post(path(tab, "accept_bill"), {"tip_minor": 0}).status == 409
    assert shop.staff.post(path(tab, "choose_tier"), {"percent": 100}).status == 403
    assert ana.post(path(tab, "choose_tier"), {"percent": 70}).problem(422, "invalid_input")["tiers"] == [100, 80, 50]

    chosen = ana.post(path(tab, "choose_tier"), {"percent": 50}).ok()
    assert (chosen["total_minor"], chosen["tier_percent"]) == (7000, 50)
    assert chosen["tax_minor"] == 798, "half of 15.97, to the cent and to even"
    ana.post(path(tab, "accept_bill"), {"tip_minor": 500}).ok()
    shop.world.deliver()

    assert amounts(settled(shop, tab)) == [("charge", 7500)]
    ledger = shop.seen(tab)["ledger"]
    assert (ledger["service_revenue"], ledger["tax"], ledger["tips"]) == (-6202, -798, -500)


def test_silence_costs_what_was_sealed_whatever_the_policy_says_by_now(shop: Shop, ana: Caller) -> None:
    """The policy's tiers are those of the tab; another policy, before the review ends, changes nothing."""
    usual = {"tiers": TIERED["tiers"], "silence_percent": 50}
    shop.owner.put("/v1/merchant/policy", {"outcome_tiers": usual}).ok()
    shop.save_card(ana)
    tab = shop.open(ana, 20000)
    shop.agree(ana, tab, EVERYTHING)
    tab = shop.complete(tab, 10000)
    shop.owner.put("/v1/merchant/policy", {"outcome_tiers": usual | {"silence_percent": 80}}).ok()

    shop.world.move(hours=25)

    assert amounts(settled(shop, tab)) == [("charge", 5000)]


def test_the_difference_is_contested_while_the_rest_is_paid(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana)
    shop.world.move(hours=25)

    contested = ana.post(path(tab, "contest"), {"reason": "It came in April.", "tier_percent": 50}).ok()
    assert (contested["status"], contested["balance_minor"]) == ("due", 7000)
    assert contested["contest"]["contested_minor"] == 3000
    shop.staff.post(path(tab, "cash"), {"amount_minor": 7000}).ok()
    upheld = shop.staff.post(path(tab, "resolve"), {"resolution": "uphold", "reason": "On the 14th."}).ok()

    assert (upheld["status"], upheld["balance_minor"], upheld["price_percent"]) == ("due", 3000, 80)


def test_after_two_of_five_at_lower_tiers_the_price_is_fixed(shop: Shop, ana: Caller) -> None:
    """Half the price for ever is not to be had. Others are offered tiers as before, and the owner may end the rule."""
    for percent in (50, 100, 50):
        ended_at(shop, ana, percent)
    body = {"customer_id": ana.customer_id, "title": "Site", "expected_outcome": "Live.", "estimate_minor": 20000}

    refused = shop.staff.post("/v1/tabs", body | TIERED).problem(409, "fixed_price")
    assert refused["latest_percents"] == [50, 100, 50]
    shop.owner.put("/v1/merchant/policy", {"outcome_tiers": TIERED}).ok()
    fixed = shop.staff.post("/v1/tabs", body).ok(201)
    assert (fixed["promise"]["tiers"], fixed["promise"]["fixed_price"]) == ([], True)
    assert shop.open(shop.customer("Ben"), 20000)["promise"]["tiers"] == TIERED["tiers"]
    shop.owner.put("/v1/merchant/policy", {"outcome_tiers": TIERED | {"fixed_price_after": 0}}).ok()
    assert shop.staff.post("/v1/tabs", body).ok(201)["promise"]["tiers"] == TIERED["tiers"]


def test_tiers_that_are_none_are_refused_with_what_to_do(shop: Shop, ana: Caller) -> None:
    body = {"customer_id": ana.customer_id, "title": "Site", "expected_outcome": "Live.", "estimate_minor": 20000}
    for wrong, words in (
        ({**TIERED, "silence_percent": 100}, "silence never confirms the whole price"),
        ({"tiers": TIERED["tiers"][1:], "silence_percent": 50}, "must begin with 100 percent"),
        ({"silence_percent": 80}, "belongs to tiers"),
        ({"tiers": TIERED["tiers"][:1] * 2, "silence_percent": 80}, "must begin with 100 percent"),
    ):
        assert words in shop.staff.post("/v1/tabs", body | wrong).problem(422, "invalid_input")["detail"]


def test_on_the_page_one_of_the_outcomes_is_chosen_and_then_the_bill_is_paid(
    world: World, shop: Shop, ana: Caller
) -> None:
    """None is preselected, and nothing but the contest is beside the question."""
    tab = billed(shop, ana)
    made = shop.staff.post(path(tab, "links"), {"scope": "full"}).ok(201)
    browser = Browser(world, made["secret"])
    assert "Please say how it turned out" in browser.text and "you pay 80 %, as agreed: €100.00" in browser.text
    assert "checked" not in browser._form("choose")[2]
    assert not browser.has("pay") and not browser.has("accept") and browser.has("contest")

    browser.send("choose")
    assert "Please choose one of the answers" in browser.text
    browser.send("choose", {"tier": "50"})

    assert "The bill is of the outcome that you chose" in browser.text
    assert "By the outcome: 50 % of the price" in browser.text
    assert browser.has("pay") and "Pay €70.00" in browser.text
    browser.send("choose", {"tier": "100"})
    assert "Pay €120.00" in browser.text


def test_on_the_page_only_the_outcome_is_contested_after_silence(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana)
    made = shop.staff.post(path(tab, "links"), {"scope": "full"}).ok(201)
    shop.world.move(hours=25)
    browser = Browser(world, made["secret"], "de")

    assert "Nur das Ergebnis. Es war dieses:" in browser.text
    browser.send("contest", {"what": "tier50", "reason": "Es kam im April."})

    assert shop.seen(tab)["contest"]["tier_percent"] == 50
    assert "Der Unterschied wird nicht abgebucht" in browser.text
    assert browser.has("pay"), "the rest can be paid meanwhile"


def test_a_friend_who_may_only_pay_does_not_say_how_it_turned_out(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana)
    friend = shop.link(tab, "pay")

    assert friend.post(path(tab, "choose_tier"), {"percent": 50}).status == 403
    assert "pay_on_phone" not in shop.seen(tab, friend)["allowed_actions"]
    ana.post(path(tab, "choose_tier"), {"percent": 50}).ok()
    assert "pay_on_phone" in shop.seen(tab, friend)["allowed_actions"]
