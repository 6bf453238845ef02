"""Standing over HTTP: who may read it, in which language its reasons are, and the way of an objection."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.words.writer import Writer

from .world import Caller, Shop, World, booking


def path(ana: Caller) -> str:
    return f"/v1/customers/{ana.customer_id}/standing"


def missed(world: World, shop: Shop, ana: Caller) -> str:
    tab = booking(shop, ana, hours=1, deposit_minor=0)
    shop.agree(ana, tab, ["cap", "deposit_and_fees"])
    world.move(hours=2)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    return str(tab["tab_id"])


def level(world: World, ana: Caller) -> str:
    """After the relay has folded what was committed."""
    world.pump.run()
    return str(ana.get(path(ana)).ok()["level"])


def test_standing_is_read_with_its_reasons_in_the_customers_words(world: World, shop: Shop) -> None:
    """By staff and by themselves, not by another customer; in German for whoever reads German."""
    bootstrap.use(replace(world.deps, words=Writer()))
    ana, ben = shop.customer(), shop.customer("Ben")
    ana.put(f"/v1/customers/{ana.customer_id}/contact", {"name": "Ana", "language": "de"}).ok()

    seen = ana.get(path(ana)).ok()

    assert seen == shop.staff.get(path(ana)).ok()
    assert (seen["level"], seen["deposit_percent"], seen["cap_can_be_raised"]) == ("new", 100, True)
    assert seen["reasons"] == [{"code": "first_visits", "count": 0, "days": 0, "text": "noch kein bezahlter Besuch"}]
    assert shop.staff.get(path(ben)).ok()["reasons"][0]["text"] == "no visit paid yet"
    ben.get(path(ana)).problem(404, "not_found")


def test_an_objection_pauses_and_the_owner_decides(world: World, shop: Shop) -> None:
    """Two no-shows are a watch; the objection to one lifts it, and the answer is on the tab."""
    ana = shop.customer()
    first, _ = missed(world, shop, ana), missed(world, shop, ana)
    assert level(world, ana) == "watch"

    objected = ana.post(f"{path(ana)}/objections", {"tab_id": first, "reason": "I was there."}).ok()

    assert objected["objection"]["state"] == "open"
    assert level(world, ana) == "new"
    decide = f"{path(ana)}/objections/{first}/decide"
    body = {"decision": "uphold", "reason": "You were. Sorry."}
    shop.staff.post(decide, body).problem(403, "forbidden")
    decided = shop.owner.post(decide, body).ok()
    assert (decided["objection"]["state"], decided["objection"]["answer"]) == ("upheld", "You were. Sorry.")
    assert decided["flags"] == []


def test_a_business_may_trust_all_alike(shop: Shop) -> None:
    """Then a promise says nothing of it."""
    ana = shop.customer()
    shop.owner.put("/v1/merchant/policy", {"standing": None}).ok()

    assert ana.get(path(ana)).ok()["level"] is None
    assert shop.open(ana, 8000)["promise"]["standing"] is None
