"""A merchant's figures over HTTP: the owner's forecast and integrity, and what customers see of them."""

from __future__ import annotations

from chalicelib import bootstrap
from chalicelib.usecases.trust.figures import refresh_all
from tests.pump import TICK

from .test_pages import Browser
from .world import Shop, World, billed, paid

SHOWN = "How Salon Lisboa has kept its promises"


def busy(world: World, shop: Shop, tabs: int = 10) -> None:
    """Ten visits of ten people."""
    for number in range(tabs):
        ana = shop.customer(f"Ana {number}")
        paid(shop, ana, billed(shop, ana, 4000))
    world.pump.run()


def test_an_owner_reads_forecast_and_integrity_and_nobody_else_does(world: World, shop: Shop) -> None:
    """Counted at once where no night has counted them; staff and customers have no business with them."""
    busy(world, shop)
    forecast = shop.owner.get("/v1/reports/forecast").ok()
    assert len(forecast["weeks"]) == 13 and forecast["currency"] == "EUR"
    found = shop.owner.get("/v1/reports/integrity").ok()
    assert (found["tabs"], found["payers"], found["billed"], found["is_enough"]) == (10, 10, 10, True)
    shop.staff.get("/v1/reports/forecast").problem(403, "forbidden")
    shop.customer().get("/v1/reports/integrity").problem(403, "forbidden")


def test_customers_see_integrity_only_if_the_owner_shows_it(world: World, shop: Shop) -> None:
    """And before they agree, on the page itself; with a few visits it says that it is too early."""
    ana = shop.customer()
    guest = shop.link(shop.open(ana, 4000))
    assert ana.get("/v1/merchant/integrity").ok() == {"integrity": None}
    shop.owner.put("/v1/merchant/branding", {"shows_integrity": True}).ok()
    assert ana.get("/v1/merchant/integrity").ok() == {"integrity": None}

    assert refresh_all(bootstrap.get_deps()) == {"merchants": 1, "failed": 0}
    assert guest.get("/v1/merchant/integrity").ok()["integrity"]["is_enough"] is False
    link = shop.staff.post(f"/v1/tabs/{shop.open(ana, 4000)['tab_id']}/links", {"scope": "full"}).ok(201)
    page = Browser(world, link["secret"])
    assert "It is too early to say how Salon Lisboa keeps its promises" in page.text

    busy(world, shop)
    world.client.lambda_.invoke("figures", TICK)
    page.open()
    assert SHOWN in page.text and "10 of 10" in page.text
    shop.owner.put("/v1/merchant/branding", {}).ok()
    page.open()
    assert SHOWN not in page.text
