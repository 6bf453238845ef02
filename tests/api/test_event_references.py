"""Every relevant event, with each of its references once null and once expanded: the facts stay the same.

Which references an object has is read from Stripe's own OpenAPI document, so a field that it gains is played, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.stripe.events import ACCOUNT_EVENTS, RELEVANT_EVENTS, event_of
from chalicelib.usecases.news.events import claim
from devstack.stripe_standin import conformance

from .world import CARD_TERMS, SECRET_KEY, Caller, Shop, World, billed, booking, held, paid

pytestmark = pytest.mark.skipif(not conformance.available(), reason="Stripe's document comes with the dev lock")

PATHS = {
    "pi": "payment_intents",
    "ch": "charges",
    "cus": "customers",
    "pm": "payment_methods",
    "txn": "balance_transactions",
}


def asked(shop: Shop, ana: Caller) -> dict[str, Any]:
    """A payment that waits for the phone."""
    tab = billed(shop, ana, 8000)
    payment: dict[str, Any] = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    return payment


def taken(shop: Shop, ana: Caller) -> str:
    payment_id: str = paid(shop, ana, billed(shop, ana, 8000))["legs"][0]["payment_id"]
    return payment_id


def confirm(card: str) -> Callable[[World, Shop, Caller], object]:
    return lambda world, shop, ana: world.confirm(asked(shop, ana), card)


def hold(world: World, shop: Shop, ana: Caller) -> None:
    world.confirm(shop.agree(ana, booking(shop, ana, hours=30))["payment"])


def expire(world: World, shop: Shop, ana: Caller) -> None:
    held(shop, ana, booking(shop, ana, hours=30))
    world.control("clock", {"advance_seconds": 8 * 86400})


def save(card: str) -> Callable[[World, Shop, Caller], object]:
    def story(world: World, shop: Shop, ana: Caller) -> None:
        body = {"card_terms_sha256": CARD_TERMS}
        world.confirm_setup(ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", body).ok(201), card)

    return story


def refund(outcome: str | None = None) -> Callable[[World, Shop, Caller], object]:
    """In the dashboard, so that nothing but its payment says whose it is."""

    def story(world: World, shop: Shop, ana: Caller) -> None:
        card = "pm_card_pendingRefund" if outcome == "succeed" else "pm_card_visa"
        payment_id: str = paid(shop, ana, billed(shop, ana, 8000), card)["legs"][0]["payment_id"]
        made = world.at_stripe("refunds", {"payment_intent": payment_id, "amount": 500})
        if outcome:
            world.deliver()
            world.control("refunds/settle", {"refund": made["id"], "outcome": outcome})

    return story


def own_refund(world: World, shop: Shop, ana: Caller) -> None:
    tab = paid(shop, ana, billed(shop, ana, 8000))
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"amount_minor": 1000, "reason": "cold"}).ok()


def dispute(*outcomes: str, kind: str = "dispute") -> Callable[[World, Shop, Caller], object]:
    def story(world: World, shop: Shop, ana: Caller) -> None:
        opened = world.control("disputes", {"payment_intent": taken(shop, ana), "kind": kind})
        for outcome in outcomes:
            world.control("disputes/decide", {"dispute": opened["id"], "outcome": outcome})

    return story


def card_of(shop: Shop, ana: Caller) -> str:
    shop.save_card(ana)
    card = shop.world.deps.store.get_customer(shop.merchant_id, str(ana.customer_id)).card
    assert card is not None
    return card.card_id


def detach(world: World, shop: Shop, ana: Caller) -> None:
    world.at_stripe(f"payment_methods/{card_of(shop, ana)}/detach")


def renew(world: World, shop: Shop, ana: Caller) -> None:
    world.control("cards/renew", {"payment_method": card_of(shop, ana), "exp_year": 2031, "exp_month": 1})


def cancel(world: World, shop: Shop, ana: Caller) -> None:
    world.at_stripe(f"payment_intents/{asked(shop, ana)['payment_id']}/cancel")


def expire_page(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 8000)
    body = {"mode": "on_session", "return_url": "https://salon.example/paid"}
    payment = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", body).ok()["payment"]
    world.at_stripe(f"checkout/sessions/{payment['page_url'].rpartition('/')[2]}/expire")


def delete(world: World, shop: Shop, ana: Caller) -> None:
    ref = world.deps.store.get_customer(shop.merchant_id, str(ana.customer_id)).customer_ref
    world.http.delete(f"{world.base}/v1/customers/{ref}", headers={"Authorization": f"Bearer {SECRET_KEY}"})


STORIES: dict[str, tuple[Callable[[World, Shop, Caller], object], ...]] = {
    "payment_intent.amount_capturable_updated": (hold,),
    "payment_intent.succeeded": (confirm("pm_card_visa"),),
    "payment_intent.payment_failed": (confirm("pm_card_chargeDeclined"),),
    "payment_intent.canceled": (cancel,),
    "payment_intent.requires_action": (confirm("pm_card_threeDSecure2Required"),),
    "payment_intent.processing": (confirm("pm_card_visa"),),
    "setup_intent.succeeded": (save("pm_card_visa"),),
    "setup_intent.setup_failed": (save("pm_card_chargeDeclined"),),
    "refund.created": (refund(), own_refund),
    "refund.updated": (refund("succeed"),),
    "refund.failed": (refund("fail"),),
    "charge.expired": (expire,),
    "checkout.session.expired": (expire_page,),
    "charge.dispute.created": (dispute(),),
    "charge.dispute.funds_withdrawn": (dispute(),),
    "charge.dispute.funds_reinstated": (dispute("won"),),
    "charge.dispute.updated": (dispute("escalated", kind="inquiry"),),
    "charge.dispute.closed": (dispute("won"), dispute("lost")),
    "radar.early_fraud_warning.created": (dispute(kind="early_fraud_warning"),),
    "payment_method.detached": (detach,),
    "customer.deleted": (delete,),
    "payment_method.automatically_updated": (renew,),
}
PLAYED_AS = {"payment_intent.processing": "payment_intent.succeeded"}
"""The stand-in's banks decide at once: the event is another one's, under this name."""

TELLS_NOTHING = {"setup_intent.setup_failed"}
NAMES_NOTHING = {"payment_method.detached", "customer.deleted"}
"""The card is nobody's any more, whose it was stands beside it; a customer is an end of references."""


def test_every_event_is_played() -> None:
    """An event that we come to act on needs its story here. Those of whole accounts name no object of theirs."""
    assert set(STORIES) == RELEVANT_EVENTS - set(ACCOUNT_EVENTS)


def references(kind: str) -> Iterator[tuple[str, bool]]:
    """The references of such an object that can be expanded, and whether each may be null or left out."""
    schema = conformance.document()["components"]["schemas"][kind]
    for name, field in schema["properties"].items():
        if "x-expansionResources" in field:
            yield name, bool(field.get("nullable")) or name not in schema.get("required", ())


def variants(world: World, event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = event["data"]["object"]
    for name, is_nullable in references(found["object"]):
        if is_nullable and found.get(name) is not None:
            changed = deepcopy(event)
            changed["data"]["object"][name] = None
            yield f"{name} is null", changed
        if isinstance(found.get(name), str):
            changed = deepcopy(event)
            changed["data"]["object"][name] = whole(world, found[name])
            yield f"{name} is expanded", changed


def whole(world: World, object_id: str) -> dict[str, Any]:
    path = PATHS.get(object_id.partition("_")[0])
    if path is None:
        # Nothing is read of it, and it can't be asked for by itself.
        return {"id": object_id}
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    found: dict[str, Any] = world.http.get(f"{world.base}/v1/{path}/{object_id}", headers=headers).json()
    return found


@pytest.mark.parametrize("kind", STORIES)
def test_a_reference_may_be_null_or_whole(world: World, shop: Shop, kind: str) -> None:
    """Whose it is and what it tells do not depend on which of its references Stripe has filled in."""
    for story in STORIES[kind]:
        ana = shop.customer()
        story(world, shop, ana)
        event = next(one for one in reversed(world.events()) if one["type"] == PLAYED_AS.get(kind, kind))
        event["type"] = kind

        def told(sent: dict[str, Any]) -> tuple[object, object]:
            read, _ = claim(world.deps, event_of(sent, "dev", live=False))
            assert read.merchant_id is not None, "it would be ignored"
            owner = (read.merchant_id, read.tab_id, read.customer_id)
            # Which card it was is only in a whole charge. It decides nothing about the tab.
            facts = [replace(fact, fingerprint=None) for fact in world.deps.gateway.facts_of(read)]
            return owner, facts

        as_ever = told(event)
        played = {name: told(changed) for name, changed in variants(world, event)}

        assert played == dict.fromkeys(played, as_ever)
        assert as_ever[1] or kind in TELLS_NOTHING
        assert played or kind in NAMES_NOTHING
