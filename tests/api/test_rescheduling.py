"""An appointment is moved: who may, with whose yes, and that hold, cut-off, lapse and agenda follow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from .world import Caller, Shop, World, booking, held, settled


def move(caller: Caller, tab: dict[str, Any], **to: float) -> dict[str, Any]:
    """`to`: from now on."""
    path = f"/v1/tabs/{tab['tab_id']}/reschedule"
    moved: dict[str, Any] = caller.post(path, {"starts_at": caller.world.in_(**to)}).ok()
    return moved


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_customer_moves_it_while_cancelling_is_free(world: World, shop: Shop) -> None:
    """Their word seals the promise for the new time; the cut-off follows, and both sides get one message each."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    world.said()

    moved = move(ana, tab, hours=90)

    assert instant(moved["starts_at"]) - instant(tab["starts_at"]) == timedelta(hours=18)
    assert moved["promise"]["starts_at"] == moved["starts_at"]
    assert moved["promise"]["accepted"]["consents"] == tab["promise"]["accepted"]["consents"]
    assert instant(moved["promise"]["free_cancel_until"]) == instant(moved["starts_at"]) - timedelta(hours=48)
    assert world.said() == ["customer: rescheduled", "owner: rescheduled"]
    world.move(hours=41)
    assert ana.post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()["fee"] is None


def test_after_the_cut_off_only_the_business_moves_it(world: World, shop: Shop) -> None:
    """The customer is told until when they could."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    world.move(hours=25)

    refused = ana.post(f"/v1/tabs/{tab['tab_id']}/reschedule", {"starts_at": world.in_(hours=90)})

    until = refused.problem(409, "transition_refused")["free_until"]
    assert instant(until) == instant(tab["promise"]["free_cancel_until"])
    assert "reschedule" not in shop.seen(tab, ana)["allowed_actions"]


def test_staff_propose_another_time_and_the_customer_accepts_it(world: World, shop: Shop) -> None:
    """A sealed promise names the time: until the customer says yes, the old one stands."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    world.move(hours=30)
    world.said()

    proposed = move(shop.staff, tab, hours=60)
    assert proposed["starts_at"] == tab["starts_at"]
    assert world.said() == ["customer: reschedule_proposed"]
    accepted = shop.agree(ana, proposed)

    assert accepted["starts_at"] == proposed["proposed_promise"]["starts_at"]
    assert (accepted["proposed_promise"], accepted["deposit"]["state"]) == (None, "held")
    assert world.said() == ["customer: rescheduled", "owner: rescheduled"]


def test_a_proposed_time_stays_proposed_beside_other_limits(world: World, shop: Shop) -> None:
    """Staff propose Friday, and then a higher cap: the customer accepts both."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    friday = move(shop.staff, tab, hours=90)["proposed_promise"]["starts_at"]

    both = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/propose_promise", {"cap_minor": 9000}).ok()
    agreed = shop.agree(ana, both)

    assert (agreed["starts_at"], agreed["promise"]["cap_minor"]) == (friday, 9000)


def test_what_nobody_has_accepted_staff_move_at_once(world: World, shop: Shop) -> None:
    """There is no word of the customer's to go against; the deposit's time to be confirmed begins again."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=72)
    world.move(hours=20)

    moved = move(shop.staff, tab, hours=80)

    assert instant(moved["starts_at"]) == world.clock.now() + timedelta(hours=80)
    assert instant(moved["deposit"]["lapses_at"]) == world.clock.now() + timedelta(hours=24)
    assert shop.agree(ana, moved)["promise"]["accepted"] is not None


def test_a_hold_that_ends_before_the_new_time_is_placed_anew_first(world: World, shop: Shop) -> None:
    """On the saved card: the old hold goes once the new one lives."""
    shop = world.shop(free_cancel_s=3600)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=95))
    world.move(hours=90)

    moved = settled(shop, move(ana, tab, hours=90))

    assert [hold["state"] for hold in moved["holds"]] == ["released", "live"]
    timeline = shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()["entries"]
    kinds = [entry["kind"] for entry in timeline if entry["kind"].startswith("hold_")]
    assert kinds == ["hold_placed", "hold_placed", "hold_released"]
    world.move(hours=90)

    shop.complete(shop.seen(tab), 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    assert settled(shop, tab)["paid_minor"] == 8000


def test_a_hold_confirmed_on_the_phone_is_confirmed_anew(world: World, shop: Shop) -> None:
    """Without a card on file the customer confirms a new hold, in the answer to moving it; then the old one goes."""
    shop = world.shop(free_cancel_s=3600)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=95), ["cap", "deposit_and_fees"])
    world.move(hours=90)

    asked = move(ana, tab, hours=90)["payment"]
    assert (asked["operation"], asked["state"]) == ("place_hold", "awaiting_customer")
    assert [hold["state"] for hold in shop.seen(tab)["holds"]] == ["live"]
    world.confirm(asked)
    world.deliver()

    assert [hold["state"] for hold in settled(shop, tab)["holds"]] == ["released", "live"]


def test_far_ahead_the_saved_card_secures_the_deposit(world: World, shop: Shop) -> None:
    """Nobody's money is held for three weeks: the hold goes, and is placed again two days before the new time."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))

    world.said()
    moved = settled(shop, move(ana, tab, days=21))
    assert world.said() == ["customer: rescheduled", "owner: rescheduled"]
    assert [hold["state"] for hold in moved["holds"]] == ["released"]
    assert moved["deposit"]["state"] == "card_saved"
    assert instant(moved["deposit"]["place_at"]) == instant(moved["starts_at"]) - timedelta(hours=48)
    world.move(days=19, minutes=1)

    again = settled(shop, tab)
    assert (again["deposit"]["state"], [hold["state"] for hold in again["holds"]]) == ("held", ["released", "live"])


def test_a_move_that_needs_a_card_asks_for_that_consent(world: World, shop: Shop) -> None:
    """Held on the phone without a card on file, three weeks ahead needs one: until then the old time stands."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72), ["cap", "deposit_and_fees"])

    proposed = move(ana, tab, days=21)

    assert (proposed["starts_at"], proposed["deposit"]["state"]) == (tab["starts_at"], "held")
    assert proposed["proposed_promise"] is not None
    assert shop.agree(ana, proposed)["starts_at"] == proposed["proposed_promise"]["starts_at"]


def test_a_proposed_time_that_has_passed_is_not_accepted(world: World, shop: Shop) -> None:
    """The customer reads the message too late: the old time stands, and other limits can still be proposed."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    proposed = move(shop.staff, tab, hours=10)["proposed_promise"]
    world.move(hours=11)
    seen = shop.seen(tab, ana)
    assert "accept_promise" not in seen["allowed_actions"]
    assert seen["needs"] == []

    body = {"promise_sha256": proposed["promise_sha256"], "consents": ["cap", "deposit_and_fees"]}
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body).problem(409, "transition_refused")

    limits = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/propose_promise", {"cap_minor": 9000}).ok()
    assert limits["proposed_promise"]["starts_at"] == tab["starts_at"]
    assert shop.agree(ana, limits)["starts_at"] == tab["starts_at"]


@pytest.mark.parametrize("cap_minor", [None, 9000])
def test_who_is_here_is_not_moved_by_an_old_proposal(world: World, shop: Shop, cap_minor: int | None) -> None:
    """Checking in settles when the service is; other limits stay proposed, for the time that stands."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    if cap_minor:
        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/propose_promise", {"cap_minor": cap_minor}).ok()
    move(shop.staff, tab, hours=90)

    here = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()

    if cap_minor is None:
        assert here["proposed_promise"] is None
    else:
        assert (here["proposed_promise"]["cap_minor"], here["proposed_promise"]["starts_at"]) == (
            9000,
            tab["starts_at"],
        )
        assert shop.agree(ana, here)["starts_at"] == tab["starts_at"]


def test_the_no_show_follows_the_new_time(world: World, shop: Shop) -> None:
    """At the old time nobody is missing."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))
    move(ana, tab, hours=90)
    world.move(hours=73)
    path = f"/v1/tabs/{tab['tab_id']}/no_show"

    shop.staff.post(path).problem(409, "transition_refused")
    world.move(hours=18)

    assert shop.staff.post(path).ok()["status"] == "no_show"


@pytest.mark.parametrize(("to", "code"), [({"hours": -1}, 422), ({"hours": 72}, 422), ({"days": 4000}, 422)])
def test_a_time_that_makes_no_sense_is_refused(world: World, shop: Shop, to: dict[str, float], code: int) -> None:
    """In the past, the same as before, or further ahead than anything is booked."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=72)

    body = {"starts_at": tab["starts_at"] if to == {"hours": 72} else world.in_(**to)}
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/reschedule", body).problem(code, "invalid_input")


def test_a_service_that_has_begun_is_not_moved(world: World, shop: Shop) -> None:
    """Nor a walk-in, which has no time."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)

    path = f"/v1/tabs/{tab['tab_id']}/reschedule"
    shop.staff.post(path, {"starts_at": world.in_(hours=3)}).problem(409, "transition_refused")
