"""Paying in a browser: on Stripe's page, under the same rules as on the phone (money rules 5 and 6)."""

from __future__ import annotations

from typing import Any

import pytest

from .world import CARD_TERMS, EVERYTHING, Caller, Shop, World, amounts, billed, booking, settled

BACK = "https://salon.example/paid"


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def verb(tab: dict[str, Any], name: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{name}"


def pay(customer: Caller, tab: dict[str, Any], tip_minor: int = 0, return_url: str | None = BACK) -> Any:
    body = {"mode": "on_session", "tip_minor": tip_minor} | ({"return_url": return_url} if return_url else {})
    return customer.post(verb(tab, "charges"), body)


def page_of(world: World, payment: dict[str, Any]) -> dict[str, Any]:
    page_id = payment["page_url"].rpartition("/")[2]
    found: dict[str, Any] = world.http.get(
        f"{world.base}/v1/checkout/sessions/{page_id}", headers={"Authorization": "Bearer sk_test_standin"}
    ).json()
    return found


def use_page(world: World, payment: dict[str, Any], card: str = "pm_card_visa") -> int:
    """Pay on the page, as a person does there; the HTTP status."""
    page_id = payment["page_url"].rpartition("/")[2]
    method = world.at_stripe("payment_methods", {"type": "card", "card[token]": card.replace("pm_card", "tok")})
    answer = world.http.post(
        f"{world.base}/v1/payment_pages/{page_id}/confirm",
        data={"payment_method": method["id"]},
        headers={"Authorization": "Bearer sk_test_standin"},
    )
    return answer.status_code


def test_a_bill_with_a_tip_is_paid_on_stripes_page(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    payment = pay(ana, tab, 500).ok()["payment"]
    assert (payment["state"], payment["client_secret"]) == ("awaiting_customer", None)
    page = page_of(world, payment)
    assert (page["amount_total"], page["success_url"], page["cancel_url"]) == (4500, BACK, BACK)
    assert page["adaptive_pricing"] == {"enabled": False}

    assert use_page(world, payment) == 200
    world.deliver()

    paid = settled(shop, tab)
    assert (paid["status"], paid["tip_minor"], amounts(paid)) == ("closed", 500, [("charge", 4500)])


def test_the_page_is_only_for_the_customer(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    pay(ana, tab).ok()
    assert shop.seen(tab)["payment"]["page_url"] is None
    assert shop.seen(tab, ana)["payment"]["page_url"]


def test_the_same_amount_is_the_same_page_and_another_amount_ends_it(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    first = pay(ana, tab).ok()["payment"]
    assert pay(ana, tab).ok()["payment"] == first
    second = pay(ana, tab, 300).ok()["payment"]
    assert second["attempt_id"] != first["attempt_id"]
    assert page_of(world, first)["status"] == "expired"
    assert use_page(world, first) == 400
    assert use_page(world, second) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4300)]


@pytest.mark.parametrize("page_first", [True, False])
def test_page_and_phone_are_never_open_at_once(world: World, shop: Shop, ana: Caller, page_first: bool) -> None:
    tab = billed(shop, ana, 4000)
    first = pay(ana, tab, return_url=BACK if page_first else None).ok()["payment"]
    second = pay(ana, tab, return_url=None if page_first else BACK).ok()["payment"]
    if page_first:
        assert page_of(world, first)["status"] == "expired"
        assert world.confirm(second)["status"] == "succeeded"
    else:
        assert world.confirm(first)["error"]["code"] == "payment_intent_unexpected_state"
        assert use_page(world, second) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_cash_ends_the_page_first(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    payment = pay(ana, tab).ok()["payment"]
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 4000}).ok()
    assert page_of(world, payment)["status"] == "expired"
    assert use_page(world, payment) == 400
    world.deliver()
    assert amounts(shop.seen(tab)) == [("cash", 4000)]


def test_a_page_that_was_paid_refuses_the_cash(world: World, shop: Shop, ana: Caller) -> None:
    """No event has come yet: closing the page finds the payment, which is adopted, and the till is told."""
    tab = billed(shop, ana, 4000)
    use_page(world, pay(ana, tab).ok()["payment"])
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 4000}).problem(409, "payment_in_progress")
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_a_page_ends_with_its_lease(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    payment = pay(ana, tab).ok()["payment"]
    world.move(minutes=31)
    assert page_of(world, payment)["status"] == "expired"
    assert shop.seen(tab, ana)["payment"] is None
    assert use_page(world, pay(ana, tab).ok()["payment"]) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_a_declined_card_leaves_the_page_open_for_another(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    payment = pay(ana, tab).ok()["payment"]
    assert use_page(world, payment, "pm_card_chargeDeclined") == 402
    world.deliver()
    seen = shop.seen(tab, ana)["payment"]
    assert (seen["state"], seen["page_url"]) == ("awaiting_customer", payment["page_url"])
    assert seen["failure"]["code"] == "card_declined"
    assert use_page(world, payment) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_an_expired_page_is_told_by_its_event(world: World, shop: Shop, ana: Caller) -> None:
    """Somebody expires it in the dashboard: the attempt ends at once, without waiting for its lease."""
    tab = billed(shop, ana, 4000)
    payment = pay(ana, tab).ok()["payment"]
    world.at_stripe(f"checkout/sessions/{payment['page_url'].rpartition('/')[2]}/expire")
    world.deliver()
    assert shop.seen(tab, ana)["payment"] is None


def test_a_deposit_is_held_on_the_page(world: World, shop: Shop, ana: Caller) -> None:
    tab = booking(shop, ana, hours=24)
    body = {
        "promise_sha256": tab["promise"]["promise_sha256"],
        "consents": EVERYTHING,
        "card_terms_sha256": CARD_TERMS,
        "return_url": BACK,
    }
    payment = ana.post(verb(tab, "accept_promise"), body).ok()["payment"]
    assert payment["operation"] == "place_hold"
    assert use_page(world, payment) == 200
    world.deliver()
    seen = shop.seen(tab, ana)
    assert (seen["deposit"]["state"], seen["payment"]) == ("held", None)
    assert seen["card"]["last4"] == "4242"


def test_a_card_is_saved_on_the_page(world: World, shop: Shop, ana: Caller) -> None:
    setup = ana.post(
        f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS, "return_url": BACK}
    ).ok(201)
    assert setup["client_secret"] is None
    assert use_page(world, setup) == 200
    world.deliver()
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"]["last4"] == "4242"


def test_a_tip_after_the_payment_is_paid_on_the_page(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    use_page(world, pay(ana, tab).ok()["payment"])
    world.deliver()
    payment = ana.post(verb(tab, "tip"), {"tip_minor": 300, "return_url": BACK}).ok()["payment"]
    assert use_page(world, payment) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000), ("charge", 300)]


@pytest.mark.parametrize("kind", ["lost_reset", "fail_after"])
def test_a_lost_answer_is_looked_up(world: World, shop: Shop, ana: Caller, kind: str) -> None:
    """The page was made, but nobody heard: it is found by its metadata, and the customer gets its address."""
    tab = billed(shop, ana, 4000)
    world.control("faults", {"path": "/v1/checkout/sessions", "method": "POST", "kind": kind, "count": 2})
    assert pay(ana, tab).ok(202)["payment"]["state"] == "unknown"
    world.move(minutes=3)
    payment = shop.seen(tab, ana)["payment"]
    assert payment["state"] == "awaiting_customer"
    assert use_page(world, payment) == 200
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


@pytest.mark.parametrize(
    "address",
    ["http://salon.example/paid", "javascript:alert(1)", "salon.example", "https://a b", "https://" + "a" * 999],
)
def test_an_address_to_return_to_is_checked(shop: Shop, ana: Caller, address: str) -> None:
    tab = billed(shop, ana, 4000)
    pay(ana, tab, return_url=address).problem(422, "invalid_input")
