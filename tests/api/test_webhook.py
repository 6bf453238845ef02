"""Webhooks from Stripe: in any order, repeated, and never lost."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.ports.store import StoreUnavailable

from .world import Caller, Shop, World, amounts, booking, held, settled, sign


def paid_on_phone(shop: Shop, ana: Caller) -> dict[str, Any]:
    """A tab whose payment was confirmed on the phone; nobody has told us yet."""
    tab = shop.complete(shop.open(ana, 4000), 4000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    assert shop.world.confirm(asked)["status"] == "succeeded"
    return tab


def the_event(world: World, kind: str) -> dict[str, Any]:
    return next(event for event in world.events() if event["type"] == kind)


def test_an_event_is_handled_once(world: World, shop: Shop) -> None:
    """The same event again is answered 200 and changes nothing."""
    tab = paid_on_phone(shop, shop.customer())
    event = the_event(world, "payment_intent.succeeded")

    said = [world.webhook(event).ok()["result"] for _ in range(3)]

    assert said == ["handled", "seen", "seen"]
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


@pytest.mark.parametrize("seed", range(4))
def test_events_in_any_order_and_twice(world: World, shop: Shop, seed: int) -> None:
    """All events of a booking, shuffled and doubled, lead to the same books as in order."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    world.confirm(shop.agree(ana, tab)["payment"])
    world.deliver()
    shop.complete(tab, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 500}).ok()
    before = settled(shop, tab)

    events = world.events() * 2
    random.Random(seed).shuffle(events)
    for event in events:
        # Under another id: what tells them apart is what happened, not the envelope alone.
        again = {**event, "id": f"{event['id']}_{random.Random(seed).random()}"}
        assert world.webhook(again).ok()["result"] in ("handled", "ignored", "seen")

    after = settled(shop, tab)
    assert amounts(after) == [("capture", 2000), ("charge", 6500)]
    assert after["ledger"] == before["ledger"]


def test_a_webhook_alone_tells_of_a_hold(world: World, shop: Shop) -> None:
    """A hold confirmed on the phone is known from the webhook, with the time it must be captured by."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))

    (hold,) = tab["holds"]
    assert (hold["state"], hold["amount_minor"]) == ("live", 2000)
    assert hold["capture_before"] > hold["placed_at"]


def test_an_event_that_comes_before_its_tab_is_sent_again(world: World, shop: Shop) -> None:
    """An event about a tab of ours that is not on record is a 503 for an hour, then 200 and left to a person."""
    paid_on_phone(shop, shop.customer())
    event = the_event(world, "payment_intent.succeeded")
    event["data"]["object"]["metadata"]["tab"] = "tab_not_yet_there"

    early = world.webhook(event)
    early.problem(503, "not_yet_known")
    assert early.header("Retry-After")
    world.clock.shift = timedelta(hours=1, minutes=1)
    assert world.webhook(event).ok()["result"] == "unclaimed"
    assert world.webhook(event).ok()["result"] == "seen"


@pytest.mark.parametrize("whose", ["another system", "another stage"])
def test_events_of_others_are_left_alone(world: World, shop: Shop, whose: str) -> None:
    """A payment of another system, or of another stage of ours, in the same account is a 200 and changes nothing."""
    tab = shop.complete(shop.open(shop.customer(), 4000), 4000)
    ours = {"app": "aftertab", "stage": "dev", "merchant": shop.merchant_id, "tab": tab["tab_id"]}
    metadata = {"order": "7"} if whose == "another system" else {**ours, "stage": "prod"}
    made = world.http.post(
        f"{world.base}/v1/payment_intents",
        data={
            "amount": 4000,
            "currency": "eur",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            **{f"metadata[{name}]": value for name, value in metadata.items()},
        },
        headers={"Authorization": "Bearer sk_test_standin"},
    ).json()
    assert made["status"] == "succeeded"

    assert set(world.deliver()) == {"ignored"}
    assert shop.seen(tab) == tab


def test_kinds_nobody_acts_on_are_answered(world: World) -> None:
    """An event of a kind that we have no use for is a 200, so that Stripe does not send it for three days."""
    event = {
        "id": "evt_1", "object": "event", "type": "invoice.created", "created": 1_767_603_600, "api_version": None,
        "livemode": False, "pending_webhooks": 1, "request": None,
        "data": {"object": {"id": "in_1", "object": "invoice"}},
    }  # fmt: skip

    assert world.webhook(event).ok()["result"] == "ignored"


def test_the_body_is_verified_as_it_came(world: World, shop: Shop) -> None:
    """The signature is over the very bytes: the same JSON with another space is refused."""
    paid_on_phone(shop, shop.customer())
    payload = json.dumps(the_event(world, "payment_intent.succeeded")).encode()

    world.webhook(payload + b" ", stripe_signature=sign(payload)).problem(400, "bad_signature")
    assert world.webhook(payload).ok()["result"] == "handled"


def test_a_store_that_is_down_has_the_event_sent_again(world: World, shop: Shop) -> None:
    """While the store does not answer the event is a 503, and is handled when it comes again."""

    class Down:
        def __getattr__(self, name: str) -> Any:
            def fail(*args: Any, **kwargs: Any) -> Any:
                raise StoreUnavailable("throttled")

            return fail

    tab = paid_on_phone(shop, shop.customer())
    event = the_event(world, "payment_intent.succeeded")

    bootstrap.use(replace(world.deps, store=Down()))
    down = world.webhook(event)
    down.problem(503, "unavailable")
    assert down.header("Retry-After") == "5"
    shop.staff.get(f"/v1/tabs/{tab['tab_id']}").problem(503, "unavailable")

    bootstrap.use(world.deps)
    assert world.webhook(event).ok()["result"] == "handled"


def test_a_webhook_needs_no_token_and_takes_none(world: World, shop: Shop) -> None:
    """A token does not replace the signature."""
    shop.staff.send("POST", "/v1/webhooks/stripe", b"{}").problem(400, "bad_signature")
