"""What an app's PaymentSheet needs, in one answer: the waiting payment's secret, and a session for the saved cards."""

from __future__ import annotations

import pytest

from chalicelib.ports.gateway import CustomerGone

from .world import DEPOSIT, PUBLISHABLE_KEY, Shop, World, billed, settled


def test_one_answer_is_enough_to_pay(world: World, shop: Shop) -> None:
    """Secret, keys, customer and session; confirmed with them, the tab is paid."""
    shop.owner.put("/v1/merchant/branding", {"name": "Lisboa"}).ok()
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]

    sheet = ana.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet").ok()

    assert (sheet["payment_id"], sheet["client_secret"]) == (asked["payment_id"], asked["client_secret"])
    assert (sheet["publishable_key"], sheet["account"]) == (PUBLISHABLE_KEY, None)
    assert (sheet["operation"], sheet["amount_minor"], sheet["currency"]) == ("charge", 4000, "EUR")
    assert sheet["merchant_name"] == "Lisboa"
    assert sheet["customer"] == world.deps.store.get_customer(shop.merchant_id, str(ana.customer_id)).customer_ref
    assert sheet["customer_session_client_secret"].startswith("cuss_secret_")
    assert sheet["expires_at"] is not None
    assert world.confirm(sheet)["status"] == "succeeded"
    assert settled(shop, tab)["status"] == "closed"


def test_it_is_made_once_for_a_key_and_changes_no_tab(world: World, shop: Shop) -> None:
    """The same key, the same session; the tab keeps its version."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()
    before = shop.seen(tab)
    key = world.new_key()

    one = ana.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet", key=key).ok()
    two = ana.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet", key=key).ok()
    other = ana.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet").ok()

    assert one == two
    assert other["customer_session_client_secret"] != one["customer_session_client_secret"]
    assert shop.seen(tab) == before


def test_a_hold_is_confirmed_with_it_too(world: World, shop: Shop) -> None:
    """By the app as by a full link; a link to pay gets none, because a hold is the customer's matter."""
    ana = shop.customer()
    tab = shop.open(ana, 8000, starts_at=world.in_(hours=24), **DEPOSIT)
    shop.agree(ana, tab)
    path = f"/v1/tabs/{tab['tab_id']}/payment_sheet"

    assert shop.link(tab).post(path).ok()["operation"] == ana.post(path).ok()["operation"] == "place_hold"
    shop.link(tab, "pay").post(path).problem(409, "nothing_to_pay")
    shop.link(tab, "view").post(path).problem(403, "forbidden")


def test_a_friend_pays_without_the_customers_cards(world: World, shop: Shop) -> None:
    """A link to pay gets the secret, and neither the customer nor a session that would show their cards."""
    tab = billed(shop, shop.customer(), 4000)
    friend = shop.link(tab, "pay")
    friend.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()

    sheet = friend.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet").ok()

    assert (sheet["customer"], sheet["customer_session_client_secret"], sheet["expires_at"]) == (None, None, None)
    assert world.confirm(sheet)["status"] == "succeeded"


def test_nothing_waits_is_said(world: World, shop: Shop) -> None:
    """Before a payment is asked for, while it waits on Stripe's own page, and for another customer."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    path = f"/v1/tabs/{tab['tab_id']}"

    ana.post(f"{path}/payment_sheet").problem(409, "nothing_to_pay")
    ana.post(f"{path}/charges", {"mode": "on_session", "return_url": "https://example.com/back"}).ok()
    ana.post(f"{path}/payment_sheet").problem(409, "nothing_to_pay")
    shop.customer("Bob").post(f"{path}/payment_sheet").problem(404, "not_found")


def test_a_customer_who_is_gone_at_stripe_pays_all_the_same(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without their saved cards, which are gone as well."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()

    def gone(account: str | None, customer_ref: str, *, key: str) -> None:
        raise CustomerGone(customer_ref)

    monkeypatch.setattr(world.deps.gateway, "add_customer_session", gone)

    sheet = ana.post(f"/v1/tabs/{tab['tab_id']}/payment_sheet").ok()
    assert (sheet["customer"], sheet["customer_session_client_secret"]) == (None, None)
    assert sheet["client_secret"]
