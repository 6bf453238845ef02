"""A guest leaves without paying: the hold is captured up to the bill where that was agreed, the rest followed up."""

from __future__ import annotations

from typing import Any

import pytest

from .world import Caller, Shop, World, amounts, held, settled

DISCLOSED = ["cap", "deposit_and_fees", "capture_before_expiry"]
"""What a guest agrees to who gives no consent to being charged."""


def seated(shop: Shop, guest: Caller, consents: list[str] = DISCLOSED) -> dict[str, Any]:
    """A tab with a hold of 20.00 and 80.00 on it."""
    tab = held(shop, guest, shop.open(guest, 8000, deposit_minor=2000), consents)
    return shop.add(tab, 8000)


def test_an_open_tab_that_was_left_is_billed_and_the_hold_captured(world: World, shop: Shop) -> None:
    """Nobody at the till presses anything: a day before the hold ends the bill is presented, and 20.00 of it taken."""
    guest = shop.customer()
    tab = seated(shop, guest)
    world.said()

    world.move(days=5, hours=23)
    assert amounts(shop.seen(tab)) == []
    world.move(hours=1, minutes=1)

    left = settled(shop, tab)
    assert (left["status"], amounts(left), left["balance_minor"]) == ("in_review", [("capture", 2000)], 6000)
    assert left["walked_out_at"] is not None
    both = [f"{to}: {kind}" for kind in ("walked_out", "hold_taken") for to in ("customer", "owner")]
    assert world.said() == both


def test_the_rest_is_followed_up(world: World, shop: Shop) -> None:
    """After the review the 60.00 are due; the guest is reminded, and pays on the phone."""
    guest = shop.customer()
    tab = seated(shop, guest)
    world.move(days=6, minutes=1)
    world.move(days=1)
    assert shop.seen(tab)["status"] == "due"
    world.said()

    world.move(days=1)

    assert world.said() == ["customer: reminder"]
    paid = guest.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    assert paid["amount_minor"] == 6000


@pytest.mark.parametrize("presented", [False, True])
def test_staff_record_that_the_guest_left(world: World, shop: Shop, presented: bool) -> None:
    """The bill is presented, both sides hear of it once, and the hold is captured before it ends."""
    guest = shop.customer()
    tab = seated(shop, guest)
    if presented:
        shop.complete(tab)
    world.said()
    path = f"/v1/tabs/{tab['tab_id']}"

    left = shop.staff.post(f"{path}/walk_out").ok()

    assert (left["status"], left["balance_minor"], amounts(left)) == ("in_review", 8000, [])
    assert world.said() == ["customer: walked_out", "owner: walked_out"]
    assert "walk_out" not in left["allowed_actions"]
    shop.staff.post(f"{path}/walk_out").problem(409, "transition_refused")
    world.move(days=6, minutes=1)
    assert amounts(settled(shop, tab)) == [("capture", 2000)]


def test_a_contested_bill_is_captured_for_what_is_not_contested(world: World, shop: Shop) -> None:
    """The guest says that 70.00 of the 80.00 are wrong: 10.00 are taken."""
    guest = shop.customer()
    tab = seated(shop, guest)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/walk_out").ok()
    guest.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Not mine.", "contested_minor": 7000}).ok()

    world.move(days=6, minutes=1)

    assert amounts(settled(shop, tab)) == [("capture", 1000)]


def test_without_the_disclosure_nothing_is_captured_and_the_owner_hears_it(world: World, shop: Shop) -> None:
    """The hold ends; a day before, the owner is told to ask the customer."""
    guest = shop.customer()
    tab = seated(shop, guest, ["cap", "deposit_and_fees"])
    shop.complete(tab)
    world.move(days=5)
    world.said()

    world.move(days=1, minutes=1)

    assert "owner: hold_ends" in world.said()
    assert amounts(settled(shop, tab)) == []


def test_work_that_goes_on_is_not_taken_for_a_walk_out(world: World, shop: Shop) -> None:
    """Something was put on the tab within the day: both hear that the hold ends, and staff decide."""
    guest = shop.customer()
    tab = held(shop, guest, shop.open(guest, 9000, deposit_minor=2000), DISCLOSED)
    world.move(days=5, hours=12)
    shop.add(tab, 8000)
    world.said()

    world.move(hours=12, minutes=1)

    assert (shop.seen(tab)["status"], world.said()) == ("open", ["customer: hold_ends", "owner: hold_ends"])


def test_nobody_walks_out_of_nothing(shop: Shop) -> None:
    """An empty tab is canceled, and a customer does not say of themselves that they left."""
    guest = shop.customer()
    tab = shop.open(guest, 4000)
    path = f"/v1/tabs/{tab['tab_id']}/walk_out"

    shop.staff.post(path).problem(409, "nothing_to_pay")
    guest.post(path).problem(403, "forbidden")
