"""What Stripe tells beforehand: a bank's suspicion of fraud, an inquiry that becomes a dispute, an account cut off."""

from __future__ import annotations

from typing import Any

import pytest

from .test_accounts_modes_currencies import account, last_event, shop_in
from .world import Caller, Shop, World, billed, booking, held, paid, settled


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def warn(world: World, tab: dict[str, Any], leg: int = 0) -> None:
    """The bank of the card that paid this leg suspects fraud."""
    world.control("disputes", {"payment_intent": tab["legs"][leg]["payment_id"], "kind": "early_fraud_warning"})
    world.deliver()


def refunds(tab: dict[str, Any]) -> list[int]:
    return [leg["refunded_minor"] for leg in tab["legs"]]


# Early fraud warnings


def test_the_owner_is_told_of_a_fraud_warning_and_decides(world: World, shop: Shop, ana: Caller) -> None:
    """Nothing is given back by itself; refunding it is one call, and a second one is refused."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.said()

    warn(world, tab)
    warn(world, tab)

    assert world.said() == ["owner: fraud_warned"]
    tab = shop.seen(tab)
    assert (refunds(tab), tab["status"]) == ([0], "closed")
    assert "refund" in tab["allowed_actions"]
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"reason": "suspected"}).ok()
    assert refunds(settled(shop, tab)) == [8000]
    assert "refund" not in shop.seen(tab)["allowed_actions"]


def test_customers_do_not_read_that_they_are_suspected(world: World, shop: Shop, ana: Caller) -> None:
    """It is in the timeline of the business alone."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    warn(world, tab)

    def kinds(caller: Caller) -> list[str]:
        entries = caller.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()["entries"]
        return [entry["kind"] for entry in entries]

    assert "fraud_warned" in kinds(shop.owner)
    assert "fraud_warned" not in kinds(ana)


def test_policy_may_give_a_suspected_payment_back(world: World) -> None:
    """Once: a second warning of the same payment gives nothing more."""
    shop = world.shop(fraud_warning_action="refund")
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.said()

    warn(world, tab)
    warn(world, tab)

    assert sorted(world.said()) == ["customer: refund", "owner: fraud_warned"]
    assert refunds(settled(shop, tab)) == [8000]


def test_the_suspected_payment_goes_back_and_not_the_newest(world: World) -> None:
    """The deposit was captured, the balance charged later with another card: the hold's card is the suspected one."""
    shop = world.shop(fraud_warning_action="refund")
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    shop.complete(tab, 8000)
    tab = paid(shop, ana, tab)
    assert [leg["kind"] for leg in tab["legs"]] == ["charge", "capture"]

    warn(world, tab, 0)

    assert refunds(settled(shop, tab)) == [6000, 0]


@pytest.mark.parametrize("action", ["tell", "refund"])
def test_a_suspected_part_payment_says_how_it_can_go_back(world: World, action: str) -> None:
    """A refund is not possible while the rest is owed: the owner reads what is."""
    shop = world.shop(fraud_warning_action=action)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.move(hours=24)
    shop.complete(tab, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    part = shop.seen(tab)
    assert "refund" not in part["allowed_actions"]
    world.said()

    warn(world, part)

    (warning,) = [message for message in world.messages if message.kind == "fraud_warned"]
    assert (warning.values["advice"], warning.values["refused"]) == ("not_now", "transition_refused")
    assert "adjust" in shop.seen(tab)["allowed_actions"]
    assert refunds(shop.seen(tab)) == [0]


@pytest.mark.parametrize("disputed_first", [True, False])
def test_nothing_is_given_back_after_a_dispute(world: World, disputed_first: bool) -> None:
    """The bank has taken it already: a refund would pay twice. Nor is there anything to tell of what has gone back."""
    shop = world.shop(fraud_warning_action="refund")
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    payment = {"payment_intent": tab["legs"][0]["payment_id"]}
    if disputed_first:
        world.control("disputes", payment)
    else:
        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"reason": "cold"}).ok()
    world.deliver()
    world.said()

    warn(world, tab)

    assert world.said() == []
    assert refunds(shop.seen(tab)) == [0 if disputed_first else 8000]


# Disputes that change


def test_an_inquiry_that_becomes_a_dispute_is_heard_from_its_update_alone(
    world: World, shop: Shop, ana: Caller
) -> None:
    """The news of the money is lost; that the dispute has changed is enough."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    inquiry = world.control("disputes", {"payment_intent": tab["legs"][0]["payment_id"], "kind": "inquiry"})
    world.deliver()
    world.control("disputes/decide", {"dispute": inquiry["id"], "outcome": "escalated"})

    assert world.webhook(last_event(world, "charge.dispute.updated")).ok()["result"] == "handled"

    ((found,),) = [leg["disputes"] for leg in shop.seen(tab)["legs"]]
    assert (found["state"], found["withdrawn_minor"]) == ("open", 8000)


# Accounts


def test_an_account_that_is_cut_off_is_told_and_opens_no_tab(world: World) -> None:
    """The owner hears of it once; what would need the account is refused with what to do, until it is connected."""
    theirs = account(world)
    spa = shop_in(world, theirs)
    bea = spa.customer()
    world.control("accounts/deauthorize", {"account": theirs})
    event = last_account_event(world, theirs)

    said = [world.webhook(event).ok()["result"] for _ in range(2)]

    assert said == ["handled", "handled"]
    assert world.said() == ["owner: account_lost"]
    assert spa.owner.get("/v1/merchant").ok()["disconnected_at"] is not None
    body = {"customer_id": bea.customer_id, "title": "x", "expected_outcome": "y", "estimate_minor": 1000}
    spa.staff.post("/v1/tabs", body).problem(409, "account_lost")
    back = {**event, "id": "evt_back", "type": "account.application.authorized", "created": event["created"] + 60}
    assert world.webhook(back).ok()["result"] == "handled"
    assert world.webhook({**event, "id": "evt_again"}).ok()["result"] == "handled"
    assert spa.owner.get("/v1/merchant").ok()["disconnected_at"] is None
    spa.staff.post("/v1/tabs", body).ok(201)


def test_an_account_of_nobody_is_ignored(world: World, shop: Shop) -> None:
    """It was connected, and no merchant has it."""
    theirs = account(world)
    world.control("accounts/deauthorize", {"account": theirs})

    assert world.webhook(last_account_event(world, theirs)).ok()["result"] == "ignored"
    assert world.said() == []


def last_account_event(world: World, theirs: str) -> dict[str, Any]:
    """The account's own list is closed to us by now: the event is only sent."""
    (row,) = [
        row
        for row in world.standin.standin.world.accounts[theirs].of["event"].newest_first()
        if row.type == "account.application.deauthorized"
    ]
    return {"id": row.id, "account": theirs, "created": row.created, "type": row.type, "object": "event",
            "livemode": False, "data": {"object": {"id": "ca_1", "object": "application", "name": "x"}}}  # fmt: skip
