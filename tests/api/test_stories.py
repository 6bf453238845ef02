"""Stories a merchant would recognise, from the promise to the books."""

from __future__ import annotations

from .world import Shop, World


def test_a_walk_in_is_paid_on_the_phone(world: World, shop: Shop) -> None:
    """A walk-in who accepts the promise pays the bill on the phone, and the tab closes with the money in the ledger."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab, ["cap"])
    shop.complete(tab, 2500, 1000)

    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()
    assert asked["payment"]["state"] == "awaiting_customer"
    assert asked["payment"]["amount_minor"] == 3500
    assert world.confirm(asked["payment"])["status"] == "succeeded"
    world.deliver()

    closed = shop.seen(tab)
    assert (closed["status"], closed["outcome"], closed["payment_state"]) == ("closed", "fulfilled", "paid")
    assert closed["ledger"] == {"customer_receivable": 0, "service_revenue": -3500, "stripe_balance": 3500}
