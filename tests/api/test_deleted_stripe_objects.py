"""Every stored Stripe id, missing at every call that uses it: a new object is created or asked for at once."""

from __future__ import annotations

from typing import Any

import pytest

from .test_accounts_modes_currencies import account, shop_in
from .world import (
    CARD_TERMS,
    EVERYTHING,
    SECRET_KEY,
    Caller,
    Shop,
    World,
    amounts,
    billed,
    booking,
    settled,
)


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def ref_of(shop: Shop, ana: Caller) -> str | None:
    return shop.world.deps.store.get_customer(shop.merchant_id, str(ana.customer_id)).customer_ref


def delete_customer(world: World, shop: Shop, ana: Caller, *, heard: bool) -> None:
    """In Stripe's dashboard, under "more"."""
    deleted = world.http.delete(
        f"{world.base}/v1/customers/{ref_of(shop, ana)}", headers={"Authorization": f"Bearer {SECRET_KEY}"}
    )
    assert deleted.json()["deleted"] is True
    if heard:
        world.deliver()
    else:
        # What has happened so far is news that never came.
        world._delivered |= {event["id"] for event in world.events()}


def ask(ana: Caller, tab: dict[str, Any], mode: str = "on_session") -> dict[str, Any]:
    payment: dict[str, Any] = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": mode}).ok()["payment"]
    return payment


heard_or_not = pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])


# The customer


@heard_or_not
def test_a_deleted_customer_pays_on_the_phone_in_the_same_request(
    world: World, shop: Shop, ana: Caller, heard: bool
) -> None:
    """Another customer is made at Stripe and the payment asked for with them; the answer and its repetition agree."""
    tab = billed(shop, ana, 8000)
    gone = ref_of(shop, ana)
    delete_customer(world, shop, ana, heard=heard)

    path, body = f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}
    payment = ana.post(path, body, key="k").ok()["payment"]

    assert payment["state"] == "awaiting_customer"
    assert ana.post(path, body, key="k").ok()["payment"]["payment_id"] == payment["payment_id"]
    assert world.confirm(payment)["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 8000)]
    assert ref_of(shop, ana) not in (None, gone)


@heard_or_not
def test_a_deleted_customer_saves_a_card_in_the_same_request(
    world: World, shop: Shop, ana: Caller, heard: bool
) -> None:
    """It used to be a 502 for ever."""
    delete_customer(world, shop, ana, heard=heard)

    shop.save_card(ana)

    tab = shop.open(ana, 8000)
    shop.agree(ana, tab, EVERYTHING)
    shop.complete(tab, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_a_customer_whom_stripe_could_not_make_is_made_by_the_next_request(
    world: World, shop: Shop, ana: Caller
) -> None:
    """Stripe answers an error of its own again under the same key, for a day: each try has another."""
    delete_customer(world, shop, ana, heard=True)
    path, body = f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}
    world.control("faults", {"kind": "fail_after", "path": "/v1/customers"})
    ana.post(path, body, key="k").problem(503, "unavailable")
    world.http.delete(f"{world.base}/_control/faults")

    assert ana.post(path, body, key="k").status == 201


@heard_or_not
def test_a_deleted_customer_confirms_a_deposit(world: World, shop: Shop, ana: Caller, heard: bool) -> None:
    """The hold is asked for with another customer."""
    tab = booking(shop, ana, hours=30)
    delete_customer(world, shop, ana, heard=heard)

    asked = shop.agree(ana, tab)["payment"]

    assert world.confirm(asked)["status"] == "requires_capture"
    world.deliver()
    assert shop.seen(tab)["deposit"]["state"] == "held"


@heard_or_not
def test_the_card_of_a_deleted_customer_is_asked_for_again(world: World, shop: Shop, ana: Caller, heard: bool) -> None:
    """The saved card went with the customer: nobody is told that a bank declined, and the phone takes the money."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    world.said()
    delete_customer(world, shop, ana, heard=heard)

    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    told = world.said()
    assert "customer: card_removed" in told
    assert "customer: card_declined" not in told
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] is None
    assert world.confirm(ask(ana, tab))["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_a_payment_that_waits_is_closed_with_its_customer(world: World, shop: Shop, ana: Caller) -> None:
    """It can't be confirmed any more: asked for again, it is another one."""
    tab = billed(shop, ana, 8000)
    first = ask(ana, tab)
    delete_customer(world, shop, ana, heard=True)

    second = ask(ana, tab)

    assert second["payment_id"] != first["payment_id"]
    assert world.confirm(second)["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


# The card


def detach(world: World, shop: Shop, ana: Caller) -> None:
    card = world.deps.store.get_customer(shop.merchant_id, str(ana.customer_id)).card
    assert card is not None
    world.at_stripe(f"payment_methods/{card.card_id}/detach")
    world._delivered |= {event["id"] for event in world.events()}


def test_a_card_that_is_gone_is_no_decline(world: World, shop: Shop, ana: Caller) -> None:
    """Charging it asks for another one: the phone takes the money."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    detach(world, shop, ana)
    world.said()

    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    told = world.said()
    assert "customer: card_removed" in told
    assert "customer: card_declined" not in told
    assert shop.seen(tab)["card"] is None
    assert world.confirm(ask(ana, tab))["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_a_deposit_whose_card_is_gone_is_wanted_again(world: World, shop: Shop, ana: Caller) -> None:
    """Two days before the visit the hold can't be placed: customer and owner hear of it, and another card will do."""
    shop.save_card(ana)
    tab = booking(shop, ana, hours=24 * 10)
    shop.agree(ana, tab)
    detach(world, shop, ana)
    world.said()

    world.move(days=8, hours=1)

    assert shop.seen(tab)["deposit"]["state"] == "wanted"
    assert {"customer: card_removed", "owner: protection_lost"} <= set(world.said())


# The waiting payment


def lose(world: World, payment: dict[str, Any]) -> None:
    """Stripe does not know it any more, as after test data were deleted."""
    books = world.standin.standin.world
    books.remove(books.platform, "payment_intent", payment["payment_id"])
    world._delivered |= {event["id"] for event in world.events()}


def test_a_waiting_payment_that_is_gone_is_made_again(world: World, shop: Shop, ana: Caller) -> None:
    """Asked for again, another one is made, and not the dead one handed out."""
    tab = billed(shop, ana, 8000)
    first = ask(ana, tab)
    lose(world, first)

    second = ask(ana, tab)

    assert second["payment_id"] != first["payment_id"]
    assert world.confirm(second)["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_a_waiting_payment_that_is_gone_stands_in_nobodys_way(world: World, shop: Shop, ana: Caller) -> None:
    """What would close it first goes on."""
    tab = billed(shop, ana, 8000)
    lose(world, ask(ana, tab))

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/adjust", {"reduction_minor": 1000, "reason": "late"}).ok()

    assert shop.seen(tab)["amount_due_minor"] == 7000
    assert world.confirm(ask(ana, tab))["status"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 7000)]


def test_a_waiting_payment_that_was_made_unheard_is_not_asked_for_again(world: World, shop: Shop, ana: Caller) -> None:
    """Looked at before it is handed out: it is paid."""
    tab = billed(shop, ana, 8000)
    assert world.confirm(ask(ana, tab))["status"] == "succeeded"

    ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).problem(409, "transition_refused")

    assert amounts(settled(shop, tab)) == [("charge", 8000)]


# The account


def test_an_account_that_is_gone_is_said_at_every_call(world: World) -> None:
    """Nothing is charged, nobody is told that a bank declined, and the answer says what to do."""
    theirs = account(world)
    spa = shop_in(world, theirs)
    bea = spa.customer()
    tab = billed(spa, bea, 8000)
    world.said()
    world.control("accounts/deauthorize", {"account": theirs})

    spa.staff.post("/v1/customers", {"reference": "Cleo"}).problem(409, "account_lost")
    body = {"card_terms_sha256": CARD_TERMS}
    bea.post(f"/v1/customers/{bea.customer_id}/setup_intent", body).problem(409, "account_lost")
    payment = ask(bea, tab)

    assert (payment["state"], payment["failure"]["code"]) == ("failed", "account_invalid")
    assert "customer: card_declined" not in world.said()
    assert spa.seen(tab)["paid_minor"] == 0
