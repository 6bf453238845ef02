"""Splitting a bill over HTTP: who may, what the answer tells once, and what host and payers see."""

from __future__ import annotations

from typing import Any

import pytest

from devstack.invariants import check_split

from .world import Shop, World, billed, history, paid


def path(tab: dict[str, Any]) -> str:
    return f"/v1/tabs/{tab['tab_id']}"


def states(tab: dict[str, Any]) -> list[str]:
    return [share["state"] for share in tab["shares"]]


def test_a_bill_is_split_and_paid_by_its_guests(world: World, shop: Shop) -> None:
    """Each guest pays their share with the link from the answer; the host sees who has, and the tab closes."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000, 1000)

    made = ana.post(f"{path(tab)}/split", {"equally": 3}).ok(201)

    assert [share["amount_minor"] for share in made["shares"]] == [1668, 1666, 1666]
    assert (made["tab"]["balance_minor"], states(made["tab"]), made["tab"]["parent"]) == (0, ["open"] * 3, None)
    assert "unsplit" in made["tab"]["allowed_actions"]
    for number, share in enumerate(made["shares"]):
        assert share["url"].endswith(f"/t/{share['secret']}")
        seen = world.guest(share["secret"]).get(path(share)).ok()
        assert (seen["parent"]["tab_id"], seen["parent"]["amount_minor"]) == (tab["tab_id"], share["amount_minor"])
        assert seen["parent"]["goes_back_at"] == seen["next_action"]["at"]
        assert (seen["balance_minor"], seen["shares"], seen["ledger"]) == (share["amount_minor"], [], None)
        tip = {"tip_minor": 100 * number}
        payment = world.guest(share["secret"]).post(f"{path(share)}/charges", {"mode": "on_session", **tip}).ok()
        world.confirm(payment["payment"])
        world.deliver()

    host = shop.seen(tab, ana)
    assert (states(host), host["status"]) == (["paid"] * 3, "closed")
    family = [shop.seen(made["tab"]), *(shop.seen(share) for share in made["shares"])]
    assert check_split(family[0], family[1:]) == []
    assert sum(share["paid_minor"] - share["tip_minor"] for share in family[1:]) == 5000
    assert [entry["kind"] for entry in history(shop, tab)].count("share_paid") == 3


def test_a_lost_answer_is_asked_for_again(world: World, shop: Shop) -> None:
    """A repeated request answers the same shares with the same links; they are kept nowhere."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    key = world.new_key()

    first = ana.post(f"{path(tab)}/split", {"amounts_minor": [1000, 1500]}, key=key).ok(201)
    again = ana.post(f"{path(tab)}/split", {"amounts_minor": [1000, 1500]}, key=key).ok(201)

    assert again["shares"] == first["shares"]
    assert len({share["secret"] for share in again["shares"]}) == 2
    assert first["tab"]["balance_minor"] == 1500


def test_by_items_and_taken_back(shop: Shop) -> None:
    """Staff split by items; taken back, all is owed on the tab again."""
    tab = billed(shop, shop.customer(), 4000, 1000, 700)
    ids = [item["item_id"] for item in tab["items"]]

    made = shop.staff.post(f"{path(tab)}/split", {"items": [ids[:1], ids[1:2]], "return_after_s": 3600}).ok(201)
    back = shop.staff.post(f"{path(tab)}/unsplit", {}).ok()

    assert [share["amount_minor"] for share in made["shares"]] == [4000, 1000]
    assert (back["balance_minor"], states(back)) == (5700, ["returned", "returned"])
    shop.staff.post(f"{path(tab)}/unsplit", {}).problem(409, "transition_refused")


def test_a_share_that_is_not_paid_comes_back_by_itself(world: World, shop: Shop) -> None:
    """After a day, by the schedule: the host is asked for it, and its link has nothing more to pay."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    made = ana.post(f"{path(tab)}/split", {"equally": 2}).ok(201)

    world.move(hours=24, minutes=1)
    world.run_schedule()

    assert (states(shop.seen(tab)), shop.seen(tab)["balance_minor"]) == (["returned", "returned"], 4000)
    guest = world.guest(made["shares"][0]["secret"])
    assert guest.get(path(made["shares"][0])).ok()["outcome"] == "canceled"
    guest.post(f"{path(made['shares'][0])}/charges", {"mode": "on_session"}).problem(409, "transition_refused")


def test_erased_people_leave_a_split_that_goes_on(world: World, shop: Shop) -> None:
    """Host and payer are erased while shares are open: nothing personal is kept, one share is paid, one comes back."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    made = ana.post(f"{path(tab)}/split", {"equally": 2}).ok(201)["shares"]
    payer_id = shop.seen(made[0])["customer_id"]
    people = {ana.customer_id: "Müller", payer_id: "Okonkwo"}
    for customer_id, name in people.items():
        contact = {"name": f"Dr. {name}", "email": f"{name.lower()}@example.com"}
        shop.staff.put(f"/v1/customers/{customer_id}/contact", contact).ok()

    for customer_id in people:
        shop.owner.send("DELETE", f"/v1/customers/{customer_id}/contact", {}).ok()

    guest = world.guest(made[0]["secret"])
    world.confirm(guest.post(f"{path(made[0])}/charges", {"mode": "on_session"}).ok()["payment"])
    world.move(hours=24, minutes=1)
    world.run_schedule()
    assert (states(shop.seen(tab)), shop.seen(tab)["balance_minor"]) == (["paid", "returned"], 2000)
    kept = repr([vars(part) for part in (world.deps.store, world.deps.people, world.deps.deliveries)])
    assert payer_id in kept
    assert [name for name in people.values() if name.lower() in kept.lower()] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_input"),
        ({"equally": 1}, "invalid_input"),
        ({"equally": 13}, "invalid_input"),
        ({"equally": 2, "amounts_minor": [1000, 1000]}, "invalid_input"),
        ({"amounts_minor": [4000]}, "invalid_input"),
        ({"amounts_minor": [4000, 1]}, "amount_below_minimum"),
        ({"amounts_minor": [4000, 1000]}, "invalid_input"),
        ({"amounts_minor": [2000, 1990]}, "amount_below_minimum"),
        ({"items": [["itm_1"], ["itm_1"]]}, "invalid_input"),
        ({"equally": 2, "return_after_s": 60}, "invalid_input"),
    ],
)
def test_bad_input_changes_nothing(shop: Shop, body: dict[str, Any], code: str) -> None:
    """422 with what to do instead."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)

    ana.post(f"{path(tab)}/split", body).problem(422, code)

    assert shop.seen(tab, ana)["version"] == tab["version"]


def test_who_may_only_pay_does_not_split(world: World, shop: Shop) -> None:
    """A full link may, one that pays may not; and nothing is split that is paid, or a share already."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    shop.link(tab, "pay").post(f"{path(tab)}/split", {"equally": 2}).problem(403, "forbidden")

    made = shop.link(tab, "full").post(f"{path(tab)}/split", {"equally": 2}).ok(201)

    share = made["shares"][0]
    guest = world.guest(share["secret"])
    guest.post(f"{path(share)}/split", {"equally": 2}).problem(409, "bill_split")
    guest.get(path(tab)).problem(404, "not_found")
    other = billed(shop, ana, 3000)
    paid(shop, ana, other)
    ana.post(f"{path(other)}/split", {"equally": 2}).problem(409, "transition_refused")
