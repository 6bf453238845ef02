"""Stories a merchant would recognise, from the promise to the books."""

from __future__ import annotations

import pytest

from .world import Shop, World, amounts, booking, held, settled


def test_a_walk_in_is_paid_on_the_phone(world: World, shop: Shop) -> None:
    """A walk-in who accepts the promise pays the bill on the phone, and the tab closes with the money in the ledger."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab, ["cap"])
    shop.complete(tab, 2500, 1000)

    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()
    assert (asked["payment"]["state"], asked["payment"]["amount_minor"]) == ("awaiting_customer", 3500)
    assert world.confirm(asked["payment"])["status"] == "succeeded"

    closed = settled(shop, tab)
    assert (closed["status"], closed["outcome"], closed["payment_state"]) == ("closed", "fulfilled", "paid")
    assert closed["ledger"] == {"customer_receivable": 0, "service_revenue": -3500, "stripe_balance": 3500}


def test_a_deposit_is_held_at_booking_and_captured_first(world: World, shop: Shop) -> None:
    """Inside the hold window the deposit is held at booking; accepting the bill captures it and charges the balance."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=48))
    world.move(hours=48)
    shop.complete(tab, 8000)

    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    assert amounts(accepted) == [("capture", 2000), ("charge", 6000)]
    assert (accepted["status"], accepted["payment_state"]) == ("closed", "paid")
    settled(shop, tab)
    assert [hold["state"] for hold in accepted["holds"]] == ["captured"]


def test_an_appointment_weeks_ahead(world: World, shop: Shop) -> None:
    """The card is saved at booking, the hold placed two days before; deposit first, then the balance and the tip."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=21 * 24)
    assert shop.agree(ana, tab)["payment"] is None
    shop.save_card(ana, tab=tab)
    saved = shop.seen(tab)
    assert (saved["deposit"]["state"], saved["card"]) == (
        "card_saved",
        {"brand": "visa", "last4": "4242", "refused": None},
    )

    world.move(days=18)
    assert shop.seen(tab)["deposit"]["state"] == "card_saved"
    world.move(days=1)
    assert shop.seen(tab)["deposit"]["state"] == "held"
    world.move(days=2)
    shop.complete(tab, 6500)
    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 500}).ok()

    assert amounts(accepted) == [("capture", 2000), ("charge", 5000)]
    books = settled(shop, tab)["ledger"]
    assert (books["stripe_balance"], books["tips"], books["service_revenue"]) == (7000, -500, -6500)


def test_a_no_show_pays_the_disclosed_fee_from_the_hold(world: World, shop: Shop) -> None:
    """A day after it was announced the fee is captured, the rest of the hold released; two weeks later it is final."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24, minutes=16)

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    world.move(days=1)
    world.move(days=13)

    gone = settled(shop, tab)
    assert (gone["status"], gone["outcome"], amounts(gone)) == ("closed", "no_show", [("capture", 1500)])
    assert (gone["fee"]["kind"], gone["fee"]["amount_minor"]) == ("no_show", 1500)
    assert gone["ledger"] == {"customer_receivable": 0, "fees_income": -1500, "stripe_balance": 1500}


def test_a_late_cancel_pays_the_disclosed_fee(world: World, shop: Shop) -> None:
    """A customer who cancels after the cut-off pays the late-cancel fee from the hold."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(minutes=61)

    canceled = ana.post(f"/v1/tabs/{tab['tab_id']}/cancel", {"reason": "I am ill."}).ok()

    settled(shop, tab)
    assert (canceled["status"], amounts(canceled)) == ("canceled", [("capture", 1000)])
    assert (canceled["fee"]["kind"], canceled["fee"]["amount_minor"]) == ("late_cancel", 1000)


def test_a_cancel_in_time_is_free(world: World, shop: Shop) -> None:
    """Before the cut-off cancelling costs nothing, and the hold is released whole."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=72))

    canceled = ana.post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()

    assert (canceled["outcome"], canceled["fee"], amounts(canceled)) == ("canceled", None, [])
    assert [hold["state"] for hold in canceled["holds"]] == ["released"]


def test_the_business_cancels_for_free_at_any_time(world: World, shop: Shop) -> None:
    """After the cut-off, too, a cancel by the business releases everything."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=2))

    canceled = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/cancel", {"reason": "The colourist is ill."}).ok()

    assert (canceled["fee"], amounts(canceled)) == (None, [])
    assert [hold["state"] for hold in canceled["holds"]] == ["released"]


def test_a_waived_fee_is_given_back(world: World, shop: Shop) -> None:
    """Waiving a no-show fee that was captured refunds it; the ledger ends at zero."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=25)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    world.move(days=1)

    waived = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "The tram did not run."}).ok()

    assert (waived["refunded_minor"], waived["paid_minor"]) == (1500, 0)
    assert set(settled(shop, tab)["ledger"].values()) == {0}


def test_a_bill_is_waived_for_what_is_still_owed(world: World, shop: Shop) -> None:
    """Waiving a bill under review brings the amount due to zero, releases the hold and books goodwill."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    shop.complete(tab, 3000)

    waived = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "The colour ran."}).ok()

    assert (waived["status"], waived["amount_due_minor"], amounts(waived)) == ("closed", 0, [])
    assert waived["ledger"]["goodwill"] == 3000
    assert [hold["state"] for hold in waived["holds"]] == ["released"]


def test_a_hold_about_to_expire_is_captured_as_promised(world: World, shop: Shop) -> None:
    """In a long review, a day before the hold would expire, it is captured for what is owed."""
    shop = world.shop(review_window_s=10 * 24 * 3600)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)

    world.move(days=4)
    assert amounts(shop.seen(tab)) == []
    world.move(days=1)

    late = settled(shop, tab)
    assert (late["status"], amounts(late), late["balance_minor"]) == ("in_review", [("capture", 2000)], 6000)


def test_the_review_window_ends_and_the_saved_card_is_charged(world: World, shop: Shop) -> None:
    """With consent to it, an unanswered bill is taken from hold and card when the window ends."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)

    world.move(hours=23)
    assert amounts(shop.seen(tab)) == []
    world.move(hours=1)

    assert amounts(settled(shop, tab)) == [("capture", 2000), ("charge", 6000)]


def test_without_consent_an_unanswered_bill_stays_due(world: World, shop: Shop) -> None:
    """Who did not agree to automatic charges owes the bill after the window, and pays it on the phone."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.move(hours=24)
    shop.complete(tab, 8000)
    world.move(hours=25)

    due = shop.seen(tab)

    assert (due["status"], amounts(due), due["balance_minor"]) == ("due", [], 8000)
    refused = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "off_session"})
    refused.problem(409, "consent_missing")


def test_an_unconfirmed_deposit_lapses(world: World, shop: Shop) -> None:
    """A deposit nobody confirms lapses after the policy's time, and its payment is closed at Stripe."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=72)
    asked = shop.agree(ana, tab)["payment"]

    world.move(hours=24, minutes=1)

    lapsed = shop.seen(tab)
    assert (lapsed["status"], lapsed["deposit"]["state"]) == ("booked", "lapsed")
    assert world.confirm(asked)["error"]["code"] == "payment_intent_unexpected_state"


def test_a_higher_cap_needs_a_new_acceptance(world: World, shop: Shop) -> None:
    """Items above the cap are refused until the customer has accepted a promise with a higher one."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab, ["cap"])
    line = {"items": [{"description": "Work", "unit_price_minor": 5000}]}
    path = f"/v1/tabs/{tab['tab_id']}"

    shop.staff.post(f"{path}/items", line).problem(409, "cap_exceeded")
    proposed = shop.staff.post(f"{path}/propose_promise", {"cap_minor": 6000}).ok()
    shop.staff.post(f"{path}/items", line).problem(409, "cap_exceeded")
    assert proposed["promise"]["cap_minor"] == 4000
    assert shop.agree(ana, proposed, ["cap"])["promise"]["cap_minor"] == 6000

    assert shop.staff.post(f"{path}/items", line).ok()["total_minor"] == 5000


def test_a_card_declined_on_the_phone_is_replaced_by_another(world: World, shop: Shop) -> None:
    """After a decline the same payment waits for another card, and takes the money once."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab, ["cap"])
    shop.complete(tab, 4000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]

    assert world.confirm(asked, "pm_card_chargeDeclined")["error"]["code"] == "card_declined"
    world.deliver()
    waiting = ana.get(f"/v1/tabs/{tab['tab_id']}").ok()["payment"]
    assert (waiting["state"], waiting["failure"]["code"]) == ("awaiting_customer", "card_declined")
    assert world.confirm(waiting)["status"] == "succeeded"

    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_a_saved_card_that_fails_leaves_the_bill_to_the_phone(world: World, shop: Shop) -> None:
    """A saved card that is declined leaves the bill due, and the phone can pay it."""
    ana = shop.customer()
    shop.save_card(ana, "pm_card_chargeCustomerFail")
    tab = shop.open(ana, 8000)
    shop.agree(ana, tab)
    shop.complete(tab, 8000)

    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    assert (accepted["payment"]["state"], accepted["payment"]["failure"]["code"]) == ("failed", "card_declined")
    assert (accepted["status"], accepted["balance_minor"], accepted["settlement_plan"]) == ("due", 8000, None)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked)
    assert settled(shop, tab)["payment_state"] == "paid"


def test_a_bank_that_asks_back_is_answered_on_the_phone(world: World, shop: Shop) -> None:
    """Where the bank wants the customer for an off-session charge, that same payment waits for them on the phone."""
    ana = shop.customer()
    shop.save_card(ana, "pm_card_authenticationRequired")
    tab = shop.open(ana, 8000)
    shop.agree(ana, tab)
    shop.complete(tab, 8000)

    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()["payment"]

    assert (asked["operation"], asked["state"]) == ("charge", "awaiting_customer")
    world.confirm(asked, "pm_card_visa")
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


@pytest.mark.parametrize("currency", ["JPY", "KWD", "EUR"])
def test_a_booking_in_any_currency(world: World, currency: str) -> None:
    """The same booking in yen (no decimals), dinars (three, the last a 0) and euros takes the same minor units."""
    shop = world.shop(currency)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)

    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 120}).ok()

    assert amounts(accepted) == [("capture", 2000), ("charge", 6120)]
    sent = world.http.get(
        f"{world.base}/v1/payment_intents/{accepted['legs'][1]['payment_id']}",
        headers={"Authorization": "Bearer sk_test_standin"},
    ).json()
    assert (sent["amount"], sent["currency"]) == (6120, currency.lower())
    settled(shop, tab)
