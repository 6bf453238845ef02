"""A no-show and its fee: announced, taken a day later, contested, reversed; and the messages to both sides."""

from __future__ import annotations

from typing import Any

import pytest

from .world import Caller, Shop, World, amounts, billed, booking, held, paid, settled


def not_come(world: World, shop: Shop, ana: Caller, **more: Any) -> dict[str, Any]:
    """A booking for tomorrow with a hold of 20.00 and a fee of 15.00, to which nobody came."""
    tab = held(shop, ana, booking(shop, ana, hours=24, **more))
    world.move(hours=24, minutes=16)
    world.said()
    marked: dict[str, Any] = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    return marked


def test_the_fee_is_announced_and_taken_a_day_later(world: World, shop: Shop) -> None:
    """Nothing moves in the minute of the no-show; 24 hours later the fee is captured, and the rest is released."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    assert (tab["status"], amounts(tab), tab["balance_minor"]) == ("no_show", [], 1500)
    assert tab["fee"]["take_at"] == tab["due_at"]
    assert tab["next_action"]["why"] == "the announced fee is taken"
    assert world.said() == ["customer: no_show", "owner: no_show"]

    world.move(hours=23, minutes=59)
    assert amounts(shop.seen(tab)) == []
    world.move(minutes=1)

    taken = settled(shop, tab)
    assert (taken["status"], taken["payment_state"], amounts(taken)) == ("no_show", "paid", [("capture", 1500)])
    assert taken["fee"]["take_at"] is None
    assert [hold["state"] for hold in taken["holds"]] == ["captured"]
    assert taken["ledger"] == {"customer_receivable": 0, "fees_income": -1500, "stripe_balance": 1500}
    assert "customer: receipt" in world.said()


def test_a_fee_is_taken_before_its_hold_ends(world: World, shop: Shop) -> None:
    """Recorded when the hold is about to end, the fee is captured from it at once: never later than the hold allows."""
    shop = world.shop(hold_margin_s=4 * 24 * 3600)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=90), ["cap", "deposit_and_fees"])
    world.move(hours=91)

    marked = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()

    assert amounts(marked) == [("capture", 1500)]


def test_nobody_takes_an_announced_fee_early(world: World, shop: Shop) -> None:
    """Staff may not; the customer may pay it at once."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    assert "charge_saved_card" not in tab["allowed_actions"]

    shop.staff.post(f"{path}/charges", {"mode": "off_session"}).problem(409, "transition_refused")
    paid = ana.post(f"{path}/charges", {"mode": "off_session"}).ok()

    assert amounts(paid) == [("capture", 1500)]


def test_a_card_that_is_saved_meanwhile_brings_no_earlier_fee(world: World, shop: Shop) -> None:
    """A new card is tried soon for an unpaid bill; an announced fee keeps its day of notice."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    shop.save_card(ana, tab=tab)

    world.move(hours=23, minutes=59)
    assert amounts(shop.seen(tab)) == []
    world.move(minutes=1)

    assert amounts(settled(shop, tab)) == [("capture", 1500)]


@pytest.mark.parametrize("taken", [False, True], ids=["before it is taken", "after it was taken"])
def test_a_contested_fee_rests_and_is_upheld(world: World, shop: Shop, taken: bool) -> None:
    """While it is contested nothing is taken; upheld by staff, it is."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    world.move(hours=25 if taken else 1)

    contested = ana.post(f"{path}/contest", {"reason": "The door was locked."}).ok()
    assert (contested["status"], contested["contest"]["contested_minor"]) == ("contested", 1500)
    world.move(hours=30)
    assert amounts(shop.seen(tab)) == ([("capture", 1500)] if taken else [])

    upheld = shop.staff.post(f"{path}/resolve", {"resolution": "uphold", "reason": "It was open."}).ok()

    assert (upheld["status"], amounts(upheld), upheld["balance_minor"]) == ("no_show", [("capture", 1500)], 0)
    assert "contest" in shop.seen(tab, ana)["allowed_actions"]
    settled(shop, tab)


@pytest.mark.parametrize("taken", [False, True], ids=["before it is taken", "after it was taken"])
def test_a_contested_fee_is_waived(world: World, shop: Shop, taken: bool) -> None:
    """Nothing is owed then, what was taken goes back, and what was held is released."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    world.move(hours=25 if taken else 1)
    ana.post(f"{path}/contest", {"reason": "I was ill."}).ok()

    shop.staff.post(f"{path}/resolve", {"resolution": "waive", "reason": "Get well."}).ok()

    waived = settled(shop, tab)
    assert (waived["paid_minor"], waived["refunded_minor"]) == (0, 1500 if taken else 0)
    assert [hold["state"] for hold in waived["holds"]] == ["captured" if taken else "released"]
    assert set(waived["ledger"].values()) == {0}


def test_a_contested_fee_is_lowered_and_announced_again(world: World, shop: Shop) -> None:
    """Half of it is left, and taken a day after that was said."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    ana.post(f"{path}/contest", {"reason": "I came half an hour late.", "contested_minor": 800}).ok()
    world.move(hours=30)

    body = {"resolution": "adjust", "reduction_minor": 700, "reason": "True."}
    lowered = shop.staff.post(f"{path}/resolve", body).ok()
    assert (amounts(lowered), lowered["balance_minor"]) == ([], 800)
    world.move(hours=24)

    assert amounts(settled(shop, tab)) == [("capture", 800)]


def test_a_contested_hold_that_ends_is_captured_for_what_is_not_contested(world: World, shop: Shop) -> None:
    """As with a bill: of 15.00, 8.00 are contested; before the hold ends the other 7.00 are taken from it."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Late, not absent.", "contested_minor": 800}).ok()

    world.move(days=5)

    assert amounts(settled(shop, tab)) == [("capture", 700)]


def test_a_fee_can_be_contested_for_two_weeks(world: World, shop: Shop) -> None:
    """Then the no-show is final and the tab closes."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"

    world.move(days=13, hours=23)
    assert "contest" in shop.seen(tab, ana)["allowed_actions"]
    world.move(hours=1)

    closed = shop.seen(tab, ana)
    assert (closed["status"], closed["outcome"]) == ("closed", "no_show")
    assert "contest" not in closed["allowed_actions"]
    ana.post(f"{path}/contest", {"reason": "Too late."}).problem(409, "transition_refused")
    shop.staff.post(f"{path}/check_in").problem(409, "transition_refused")


@pytest.mark.parametrize("after_hours", [1, 25], ids=["announced", "taken"])
def test_a_no_show_is_taken_back_with_its_fee(world: World, shop: Shop, after_hours: int) -> None:
    """The service is open again and nothing is owed; what was captured counts towards the bill."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    world.move(hours=after_hours)
    world.said()

    opened = shop.staff.post(f"{path}/check_in").ok()

    assert (opened["status"], opened["fee"], opened["amount_due_minor"]) == ("open", None, 0)
    assert world.said() == ["customer: no_show_taken_back"]
    back = settled(shop, tab)
    assert back["refund_owed_minor"] == (0 if after_hours == 1 else 1500)
    assert back["ledger"].get("fees_income", 0) == 0
    shop.complete(back, 4000)
    ana.post(f"{path}/accept_bill").ok()

    paid = settled(shop, tab)
    assert (paid["status"], paid["payment_state"], paid["paid_minor"]) == ("closed", "paid", 4000)
    assert amounts(paid)[0] == ("capture", 2000 if after_hours == 1 else 1500)


def test_a_no_show_taken_back_and_canceled_gives_the_fee_back(world: World, shop: Shop) -> None:
    """Where no service follows, the customer has paid for nothing."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}"
    world.move(hours=25)
    shop.staff.post(f"{path}/check_in").ok()

    shop.staff.post(f"{path}/cancel", {"reason": "We had the wrong day."}).ok()

    assert set(settled(shop, tab)["ledger"].values()) == {0}


def test_a_no_show_without_a_fee_is_taken_back_too(world: World, shop: Shop) -> None:
    """It costs nothing, its hold is released at once; taken back, the saved card secures the deposit again."""
    ana = shop.customer()
    tab = not_come(world, shop, ana, no_show_fee_minor=0, late_cancel_fee_minor=0)
    assert (tab["status"], tab["fee"]) == ("no_show", None)
    assert [hold["state"] for hold in tab["holds"]] == ["released"]
    assert world.said() == ["customer: no_show", "owner: no_show"]

    opened = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()

    assert (opened["status"], opened["deposit"]["state"]) == ("open", "held")
    settled(shop, tab)


def test_a_fee_is_waived_before_it_is_taken(world: World, shop: Shop) -> None:
    """In one call, and the hold goes back at once."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)

    waived = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "The tram did not run."}).ok()

    assert (waived["balance_minor"], [hold["state"] for hold in waived["holds"]]) == (0, ["released"])


def test_a_late_cancel_fee_can_be_contested_too(world: World, shop: Shop) -> None:
    """Who cancels has read what it costs: it is taken at once, and can be contested for two weeks."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=2)
    path = f"/v1/tabs/{tab['tab_id']}"
    canceled = ana.post(f"{path}/cancel", {"reason": "I am ill."}).ok()
    assert (canceled["status"], amounts(canceled)) == ("canceled", [("capture", 1000)])
    world.move(days=13)

    ana.post(f"{path}/contest", {"reason": "I have a doctor's note."}).ok()
    waived = shop.staff.post(f"{path}/resolve", {"resolution": "waive", "reason": "Get well."}).ok()

    assert waived["refunded_minor"] == 1000
    assert settled(shop, tab)["status"] == "closed"


# What both sides hear


@pytest.mark.parametrize(
    ("by", "hours", "costs"),
    [("ana", 72, 0), ("ana", 24, 10_00), ("staff", 24, 0)],
    ids=["by the customer in time", "by the customer late", "by the business"],
)
def test_both_sides_hear_of_a_cancellation(world: World, shop: Shop, by: str, hours: int, costs: int) -> None:
    """With what it costs, and until when one can object to that."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=hours))
    world.move(hours=2)
    world.said()

    (ana if by == "ana" else shop.staff).post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()

    messages = [message for message in world.messages if message.kind == "canceled"]
    assert [message.to for message in messages] == ["customer", "owner"]
    for message in messages:
        assert message.values["fee_minor"] == costs
        assert message.values["why"] == ("customer" if by == "ana" else "business")
        assert (message.values["final_at"] is not None) == (costs > 0)


@pytest.mark.parametrize(
    ("action", "kinds"),
    [("cancel", ["customer: canceled", "owner: canceled"]),
     ("keep_unsecured", ["customer: deposit_lapsed", "owner: deposit_lapsed"])],
)  # fmt: skip
def test_both_sides_hear_of_a_lapse(world: World, action: str, kinds: list[str]) -> None:
    """Whether it cancels the booking or leaves it without a deposit."""
    shop = world.shop(deposit_lapse_action=action)
    ana = shop.customer()
    booking(shop, ana, hours=72)
    world.said()

    world.move(hours=24, minutes=1)

    assert world.said() == kinds


def test_both_sides_hear_of_a_renewal_that_was_declined(world: World, shop: Shop) -> None:
    """A day before the hold ends, while something can be done, and not a second time when it has ended."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()
    shop.save_card(ana, "pm_card_chargeCustomerFail", tab=tab)
    world.said()

    world.move(days=5, hours=1)
    assert world.said() == ["customer: hold_ends", "owner: hold_ends"]
    world.move(days=2)

    assert (world.said(), shop.seen(tab)["deposit"]["state"]) == ([], "expired")


def test_both_sides_hear_of_a_renewal_that_nobody_answered(world: World, shop: Shop) -> None:
    """The bank asks the customer, who does not answer: the old hold stands, and ends."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()
    shop.save_card(ana, "pm_card_authenticationRequired", tab=tab)
    world.said()

    world.move(days=5, hours=1)
    assert world.said() == ["customer: confirmation_needed"]
    world.move(hours=1)

    assert world.said() == ["customer: hold_ends", "owner: hold_ends"]


# What goes back is said


def customer_heard(world: World, kind: str) -> dict[str, object]:
    """The values of the one message of this kind to the customer."""
    (message,) = [message for message in world.messages if (message.to, message.kind) == ("customer", kind)]
    return dict(message.values)


@pytest.mark.parametrize(("hours", "given_back"), [(1, False), (25, True)])
def test_the_customer_hears_that_a_fee_was_waived(world: World, shop: Shop, hours: int, given_back: bool) -> None:
    """They were told what not coming costs: that it costs nothing after all is said, too, and what goes back."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    world.move(hours=hours)

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "It snowed."}).ok()

    back_minor = 15_00 if given_back else 0
    assert customer_heard(world, "waived") == {
        "amount_minor": 15_00, "of": "fee", "balance_minor": 0, "back_minor": back_minor
    }  # fmt: skip


def test_the_customer_hears_that_a_bill_was_waived(world: World, shop: Shop) -> None:
    """Presented and then forgiven, it is not left standing in the messages."""
    tab = billed(shop, shop.customer(), 8000)

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "On the house."}).ok()

    assert customer_heard(world, "waived") == {"amount_minor": 80_00, "of": "bill", "balance_minor": 0, "back_minor": 0}


def test_a_bill_lowered_below_what_was_paid_says_what_goes_back(world: World, shop: Shop) -> None:
    """80.00 paid by card, 30.00 less: the customer need not look for the difference."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/adjust", {"reduction_minor": 3000, "reason": "It faded."}).ok()

    heard = customer_heard(world, "bill_adjusted")
    assert (heard["balance_minor"], heard["back_minor"]) == (0, 30_00)


def test_a_contest_that_ends_after_the_payment_says_what_goes_back(world: World, shop: Shop) -> None:
    """The fee is taken, 5.00 of it contested, and nobody answers."""
    ana = shop.customer()
    tab = not_come(world, shop, ana)
    world.move(hours=25)
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Half.", "contested_minor": 500}).ok()
    world.move(days=8)
    world.move(days=3)

    heard = customer_heard(world, "contest_resolved")
    assert (heard["balance_minor"], heard["back_minor"], heard["resolved_by"]) == (0, 5_00, "deadline")


@pytest.mark.parametrize(("deposit_minor", "paid_is"), [(2000, "counted"), (0, "given_back")])
def test_a_no_show_taken_back_says_what_becomes_of_the_fee(
    world: World, shop: Shop, deposit_minor: int, paid_is: str
) -> None:
    """What was captured from the deposit stays one; what was charged to the card goes back at once."""
    ana = shop.customer()
    shop.save_card(ana)
    tab = booking(shop, ana, hours=24, deposit_minor=deposit_minor)
    shop.agree(ana, tab)
    world.move(hours=25)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    world.move(hours=25)
    assert shop.seen(tab)["paid_minor"] == 1500

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()

    heard = customer_heard(world, "no_show_taken_back")
    assert (heard["paid_minor"], heard["paid_is"]) == (15_00, paid_is)
