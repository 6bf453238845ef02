"""The minimum charge: every leg is zero, or at least the minimum card charge."""

from __future__ import annotations

from typing import Any

from .world import Caller, Shop, World, amounts, booking, held, settled

MINIMUM = 50
"""EUR, paid out in EUR."""


def billed(shop: Shop, customer: Caller, bill_minor: int, *, deposit_minor: int = 2000) -> dict[str, Any]:
    """A booking with a hold and a saved card, whose bill the customer has just accepted."""
    tab = booking(shop, customer, hours=24, deposit_minor=deposit_minor)
    held(shop, customer, tab)
    shop.complete(tab, bill_minor)
    accepted: dict[str, Any] = customer.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    return accepted


def test_total_within_the_hold_is_captured_and_the_rest_released(shop: Shop) -> None:
    """A bill below the hold is captured from it, and nothing is charged besides."""
    tab = settled(shop, billed(shop, shop.customer(), 1200))

    assert amounts(tab) == [("capture", 1200)]
    assert (tab["holds"][0]["captured_minor"], tab["balance_minor"]) == (1200, 0)


def test_balance_of_the_minimum_is_charged_after_the_whole_hold(shop: Shop) -> None:
    """A balance of exactly the minimum is a charge of its own, after the hold is captured whole."""
    tab = settled(shop, billed(shop, shop.customer(), 2000 + MINIMUM))

    assert amounts(tab) == [("capture", 2000), ("charge", MINIMUM)]


def test_balance_below_the_minimum_is_charged_first_at_the_minimum(shop: Shop) -> None:
    """For a balance below it the minimum is charged first, and that much less captured."""
    tab = settled(shop, billed(shop, shop.customer(), 2020))

    assert amounts(tab) == [("charge", MINIMUM), ("capture", 2020 - MINIMUM)]


def test_where_the_minimum_charge_fails_the_whole_hold_is_captured(world: World, shop: Shop) -> None:
    """When that charge is declined nothing of the hold is lost: it is captured whole, and the residue stays due."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab)
    shop.save_card(ana, "pm_card_chargeCustomerFail", tab=tab)
    shop.complete(tab, 2020)

    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    after = settled(shop, tab)
    assert (amounts(after), after["balance_minor"], after["status"]) == ([("capture", 2000)], 20, "due")


def test_without_a_saved_card_the_whole_hold_is_captured(shop: Shop) -> None:
    """Without consent to keep the card the hold is captured whole, and the residue stays due."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab, ["cap", "deposit_and_fees"])
    shop.complete(tab, 2020)

    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    after = settled(shop, tab)
    assert (amounts(after), after["balance_minor"], after["status"]) == ([("capture", 2000)], 20, "due")


def test_where_the_smaller_capture_would_be_below_the_minimum_all_goes_on_the_card(shop: Shop) -> None:
    """A small hold that could not be captured for the rest is released, and the bill is one charge."""
    tab = settled(shop, billed(shop, shop.customer(), 90, deposit_minor=80))

    assert amounts(tab) == [("charge", 90)]
    assert [hold["state"] for hold in tab["holds"]] == ["released"]


def test_a_residue_below_the_minimum_is_never_charged(world: World, shop: Shop) -> None:
    """A residue of 20 cents can't be asked of a card by anybody; waived, the tab closes."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab, ["cap", "deposit_and_fees"])
    shop.complete(tab, 2020)
    path = f"/v1/tabs/{tab['tab_id']}"
    ana.post(f"{path}/accept_bill").ok()

    assert not {"pay_on_phone", "charge_saved_card"} & set(shop.seen(tab, ana)["allowed_actions"])
    ana.post(f"{path}/charges", {"mode": "on_session"}).problem(409, "nothing_to_pay")
    ana.post(f"{path}/charges", {"mode": "off_session"}).problem(409, "no_saved_card")
    world.move(days=30)
    assert amounts(settled(shop, tab)) == [("capture", 2000)]

    assert shop.staff.post(f"{path}/waive", {"reason": "Small change."}).ok()["status"] == "closed"


def test_a_whole_bill_below_the_minimum_releases_the_hold(shop: Shop) -> None:
    """A bill of 30 cents can't be captured either: the hold is released, the bill is for cash."""
    tab = settled(shop, billed(shop, shop.customer(), 30))

    assert (amounts(tab), tab["balance_minor"], tab["status"]) == ([], 30, "due")
    assert [hold["state"] for hold in tab["holds"]] == ["released"]


def test_a_bill_of_nothing_closes_with_nothing_charged(shop: Shop) -> None:
    """A service that costs nothing closes the tab when it is completed, and releases the hold."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))

    shop.complete(tab)

    after = settled(shop, tab)
    assert (after["status"], amounts(after), after["outcome"]) == ("closed", [], "fulfilled")


def test_the_phone_pays_the_balance_and_the_hold_its_part(world: World, shop: Shop) -> None:
    """On the phone the customer is asked for the balance only; the deposit is captured when they have paid."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab, ["cap", "deposit_and_fees"])
    shop.complete(tab, 2020)

    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    assert asked["amount_minor"] == MINIMUM
    world.confirm(asked)

    assert amounts(settled(shop, tab)) == [("charge", MINIMUM), ("capture", 2020 - MINIMUM)]


def test_a_merchant_paid_out_elsewhere_has_twice_the_minimum(world: World) -> None:
    """Where the payout's currency is not known, a deposit must be at least twice the published minimum."""
    shop = world.shop(settles=False)
    ana = shop.customer()
    body = {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Cut.", "estimate_minor": 2000}

    shop.staff.post("/v1/tabs", {**body, "deposit_minor": 99}).problem(422, "amount_below_minimum")

    assert shop.staff.post("/v1/tabs", {**body, "deposit_minor": 100}).ok(201)["deposit"]["amount_minor"] == 100
