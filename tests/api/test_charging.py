"""When a card is charged and when not: promised start, review window, tips, stolen cards, refused calls."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from .world import EVERYTHING, Caller, Shop, World, amounts, billed, booking, held, paid, settled


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def verb(tab: dict[str, Any], name: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{name}"


def saved_card(shop: Shop, customer: Caller) -> str:
    """The id of the customer's card at Stripe."""
    card = shop.world.deps.store.get_customer(shop.merchant_id, customer.customer_id or "").card
    assert card is not None
    return card.card_id


def bank_says(shop: Shop, customer: Caller, decline: str | None) -> None:
    """From now on the bank declines the saved card so, or (None) takes it again."""
    shop.world.control("cards", {"payment_method": saved_card(shop, customer), "decline": decline})


def sent(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.http.get(f"{world.base}/_control/requests?limit=1000").json()["requests"]
    return found


def charges_sent(world: World) -> list[dict[str, str]]:
    """What was sent to Stripe to make payments, oldest first."""
    made = [one for one in sent(world) if (one["method"], one["path"]) == ("POST", "/v1/payment_intents")]
    return [{name: values[0] for name, values in parse_qs(one["body"]).items()} for one in made]


def charge(caller: Caller, tab: dict[str, Any]) -> Any:
    return caller.post(verb(tab, "charges"), {"mode": "off_session"})


# Never before the promised start


def test_nobody_is_charged_unasked_before_the_promised_start(world: World, shop: Shop, ana: Caller) -> None:
    """Booked in ten days, checked in and completed today: silence charges on the tenth day, not tomorrow."""
    shop.save_card(ana)
    tab = booking(shop, ana, hours=240, deposit_minor=0)
    shop.agree(ana, tab)
    presented = shop.complete(tab, 8000)
    assert presented["review_ends_at"] == tab["starts_at"]

    world.move(days=9)
    assert (shop.seen(tab)["status"], amounts(shop.seen(tab))) == ("in_review", [])
    world.move(days=1)

    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_staff_charge_nobody_before_the_promised_start(world: World, shop: Shop, ana: Caller) -> None:
    """A contest upheld makes the bill stand, not the day come sooner; the customer's own word does."""
    shop.save_card(ana)
    tab = booking(shop, ana, hours=240, deposit_minor=0)
    shop.agree(ana, tab)
    shop.complete(tab, 8000)
    ana.post(verb(tab, "contest"), {"reason": "Too dear."}).ok()
    shop.staff.post(verb(tab, "resolve"), {"resolution": "uphold", "reason": "As agreed."}).ok()

    problem = charge(shop.staff, tab).problem(409, "transition_refused")
    assert datetime.fromisoformat(problem["from_at"]) == datetime.fromisoformat(tab["starts_at"])
    world.move(days=9)
    assert amounts(shop.seen(tab)) == []

    charge(ana, tab).ok()
    assert amounts(settled(shop, tab)) == [("charge", 8000)]


# The hold clock


def test_a_hold_about_to_expire_never_shortens_the_review(world: World) -> None:
    """Fourteen days are promised: the hold is captured before it is lost, the balance waits for the last day."""
    shop = world.shop(review_window_s=14 * 24 * 3600)
    ana = shop.customer()
    shop.save_card(ana)
    tab = shop.open(ana, 8000, deposit_minor=2000)
    shop.agree(ana, tab)
    world.deliver()
    presented = shop.complete(shop.seen(tab), 8000)

    for _ in range(13):
        world.move(days=1)
    seen = shop.seen(tab)
    assert (seen["status"], amounts(seen)) == ("in_review", [("capture", 2000)])
    assert seen["review_ends_at"] == presented["review_ends_at"]
    world.move(days=1)

    assert amounts(settled(shop, tab)) == [("capture", 2000), ("charge", 6000)]


def test_no_policy_ends_a_review_early(world: World) -> None:
    """The switch for it is gone, and says so."""
    shop = world.shop()

    policy = shop.owner.get("/v1/merchant").ok()["policy"]
    assert "hold_expiry_action" not in policy
    shop.owner.put("/v1/merchant/policy", {**policy, "hold_expiry_action": "end_review"}).problem(422, "invalid_input")


# What a contest agreed on


def test_what_a_contest_took_off_stays_off_through_an_amendment(shop: Shop, ana: Caller) -> None:
    """A contest ends with 30.00 less; the bill is taken back, presented again, and is still 30.00 less."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(tab, "contest"), {"reason": "The colour is wrong."}).ok()
    body = {"resolution": "adjust", "reduction_minor": 3000, "reason": "It is."}
    shop.staff.post(verb(tab, "resolve"), body).ok()

    shop.staff.post(verb(tab, "amend")).ok()
    again = shop.complete(shop.seen(tab))

    assert (again["total_minor"], again["adjusted_minor"], again["balance_minor"]) == (5000, 3000, 5000)
    ana.post(verb(tab, "accept_bill")).ok()
    assert amounts(settled(shop, tab)) == [("charge", 5000)]


# Tips


def test_a_tip_that_a_declined_card_did_not_pay_is_never_owed(world: World, shop: Shop, ana: Caller) -> None:
    """The bill is followed up, and the tip is not: it is due only in the moment it is paid."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    bank_says(shop, ana, "insufficient_funds")

    declined = ana.post(verb(tab, "accept_bill"), {"tip_minor": 1000}).ok()
    assert declined["payment"]["amount_minor"] == 9000
    assert (declined["balance_minor"], declined["tip_minor"]) == (8000, 0)
    world.move(days=1)
    assert "customer: reminder" in world.said()
    assert shop.seen(tab)["balance_minor"] == 8000

    asked = ana.post(verb(tab, "charges"), {"mode": "on_session", "tip_minor": 500}).ok()["payment"]
    assert asked["amount_minor"] == 8500
    world.confirm(asked)

    closed = settled(shop, tab)
    assert (closed["status"], closed["tip_minor"], closed["paid_minor"]) == ("closed", 500, 8500)
    assert closed["ledger"]["tips"] == -500


def test_bill_and_tip_are_paid_together(shop: Shop, ana: Caller) -> None:
    """With the saved card the tip is in the charge, and in the books once it is paid."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")

    ana.post(verb(tab, "accept_bill"), {"tip_minor": 1000}).ok()

    closed = settled(shop, tab)
    assert (closed["status"], amounts(closed), closed["tip_minor"]) == ("closed", [("charge", 9000)], 1000)


def test_a_tip_without_anything_to_pay_it_is_refused(shop: Shop, ana: Caller) -> None:
    """No hold, no card: accepted without it, and given on the phone."""
    tab = billed(shop, ana, 8000)

    ana.post(verb(tab, "accept_bill"), {"tip_minor": 1000}).problem(422, "invalid_input")
    charge_body = {"mode": "off_session", "tip_minor": 1000}
    ana.post(verb(tab, "charges"), charge_body).problem(422, "invalid_input")

    assert shop.seen(tab)["status"] == "in_review"
    asked = ana.post(verb(tab, "charges"), {"mode": "on_session", "tip_minor": 1000}).ok()["payment"]
    again = ana.post(verb(tab, "charges"), {"mode": "on_session", "tip_minor": 1000}).ok()["payment"]
    other = ana.post(verb(tab, "charges"), {"mode": "on_session", "tip_minor": 2000}).ok()["payment"]
    assert asked["payment_id"] == again["payment_id"] != other["payment_id"]
    assert other["amount_minor"] == 10_000


# A card that must never be tried again


def test_a_stolen_card_is_charged_no_more_whoever_asks(world: World, shop: Shop, ana: Caller) -> None:
    """Six charges by staff reach nobody: card networks fine each one. The business reads why, the customer does not."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    bank_says(shop, ana, "stolen_card")
    world.move(days=1)
    before = len(charges_sent(world))

    for _ in range(6):
        problem = charge(shop.staff, tab).problem(409, "card_refused")
        assert "stolen_card" in problem["detail"]
    assert "stolen" not in charge(ana, tab).problem(409, "card_refused")["detail"]
    world.move(days=30)

    assert len(charges_sent(world)) == before
    seen = shop.seen(tab)
    assert "charge_saved_card" not in seen["allowed_actions"]
    assert seen["card"]["refused"] == "stolen_card"
    assert shop.seen(tab, ana)["card"]["refused"] == "generic_decline"
    theirs = ana.get(verb(tab, "timeline")).raw
    assert b"stolen" not in theirs


def test_a_stolen_card_is_charged_no_more_on_any_of_the_customers_tabs(world: World, shop: Shop, ana: Caller) -> None:
    """What was learnt on one tab holds for those that are open, and for those to come."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    other = shop.open(ana, 5000)
    shop.agree(ana, other)
    bank_says(shop, ana, "stolen_card")
    ana.post(verb(tab, "accept_bill")).ok()
    world.deliver()
    before = len(charges_sent(world))

    shop.complete(other, 5000)
    later = shop.open(ana, 4000)
    shop.agree(ana, later)
    shop.complete(later, 4000)
    world.move(days=2)

    assert len(charges_sent(world)) == before
    for unpaid in (other, later):
        charge(shop.staff, unpaid).problem(409, "card_refused")


def test_a_card_saved_after_the_decline_is_tried_soon(world: World, shop: Shop, ana: Caller) -> None:
    """Saved for no tab in particular: what is unpaid is charged to it at once."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    bank_says(shop, ana, "stolen_card")
    ana.post(verb(tab, "accept_bill")).ok()
    world.deliver()

    shop.save_card(ana, "pm_card_mastercard")

    assert amounts(settled(shop, tab)) == [("charge", 8000)]


# With the customer, and without


def test_whoever_accepts_the_bill_is_charged_as_present(world: World, shop: Shop, ana: Caller) -> None:
    """Off-session is for the schedule; what the customer asks for says that they are there."""
    accepted = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(accepted, "accept_bill")).ok()
    silent = shop.open(ana, 5000)
    shop.agree(ana, silent)
    shop.complete(silent, 5000)
    world.move(days=1)

    by_ana, by_the_clock = charges_sent(world)
    assert (by_ana.get("off_session"), by_ana["use_stripe_sdk"]) == (None, "true")
    assert (by_the_clock["off_session"], by_the_clock.get("use_stripe_sdk")) == ("true", None)


def test_the_banks_question_is_answered_in_the_flow(world: World, shop: Shop, ana: Caller) -> None:
    """A card that always asks: accept_bill answers with what the phone needs, and no message chases the customer."""
    tab = billed(shop, ana, 8000, card="pm_card_authenticationRequired")
    world.said()

    asked = ana.post(verb(tab, "accept_bill"), {"tip_minor": 500}).ok()["payment"]

    assert (asked["state"], bool(asked["client_secret"]), asked["failure"]) == ("awaiting_customer", True, None)
    assert "customer: confirmation_needed" not in world.said()
    world.control("authenticate", {"payment_intent": asked["payment_id"]})
    closed = settled(shop, tab)
    assert (closed["status"], amounts(closed), closed["tip_minor"]) == ("closed", [("charge", 8500)], 500)


def test_a_hold_placed_while_the_promise_is_accepted_is_placed_as_present(
    world: World, shop: Shop, ana: Caller
) -> None:
    """The customer is there as well when the saved card secures the deposit."""
    shop.save_card(ana)
    tab = booking(shop, ana, hours=24)
    shop.agree(ana, tab)

    (hold,) = charges_sent(world)
    assert (hold["capture_method"], hold.get("off_session"), hold["use_stripe_sdk"]) == ("manual", None, "true")


# Cards removed


def test_a_removed_card_is_detached_whatever_it_was_kept_for(world: World, shop: Shop, ana: Caller) -> None:
    """One that was kept with a bill long paid is detached at Stripe, too."""
    tab = shop.open(ana, 8000)
    shop.agree(ana, tab)
    shop.complete(tab, 8000)
    assert paid(shop, ana, tab)["status"] == "closed"
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] is None
    ref = world.deps.store.get_customer(shop.merchant_id, ana.customer_id or "").customer_ref
    assert len(kept_at_stripe(world, ref)) == 1

    ana.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()

    assert kept_at_stripe(world, ref) == []


def kept_at_stripe(world: World, customer_ref: str) -> list[str]:
    headers = {"Authorization": "Bearer sk_test_standin"}
    listed = world.http.get(f"{world.base}/v1/customers/{customer_ref}/payment_methods", headers=headers).json()
    return [method["id"] for method in listed["data"]]


# When Stripe refuses our call


def test_a_call_that_stripe_refuses_is_our_fault(world: World, shop: Shop, ana: Caller) -> None:
    """Nothing was taken, no bank was asked; it is said so, made again, and the flag goes with the cause."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    world.said()
    world.control("faults", {"kind": "fail_before", "path": "/v1/payment_intents", "status": 400, "count": 1})

    world.move(days=1)

    seen = shop.seen(tab)
    assert (amounts(seen), seen["balance_minor"]) == ([], 8000)
    assert seen["flags"]
    assert {"customer: call_refused", "owner: call_refused"} <= set(world.said())
    world.move(hours=1)

    closed = settled(shop, tab)
    assert (closed["status"], amounts(closed), closed["flags"]) == ("closed", [("charge", 8000)], [])


def test_an_account_that_revoked_us_is_not_our_key(world: World, ana: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """One business has disconnected: its owner hears of it, and nobody rotates a key that is good."""
    account = world.at_stripe("accounts", {"type": "standard", "country": "DE"})["id"]
    body = {"name": "Salon Porto", "currency": "EUR", "settlement_currency": "EUR", "account": account}
    shop = Shop(world, world.operator.post("/v1/merchants", body).ok(201)["merchant_id"])
    eva = shop.customer("Eva")
    tab = billed(shop, eva, 8000)
    world.said()
    world.control("accounts/deauthorize", {"account": account})

    with caplog.at_level(logging.ERROR):
        refused = eva.post(verb(tab, "charges"), {"mode": "on_session"}).ok()

    assert (refused["payment"]["state"], refused["payment"]["failure"]["code"]) == ("failed", "account_invalid")
    assert "refuses our key" not in caplog.text
    assert "owner: call_refused" in world.said()
    assert shop.seen(tab)["flags"]


# What a statement says


def test_a_statement_names_the_business_and_no_mail_address_goes_to_stripe(world: World) -> None:
    """The name as card networks can carry it, on holds and charges; who gave no address gets no mail from Stripe."""
    body = {"name": "Café *Größe* 東京", "currency": "EUR", "settlement_currency": "EUR"}
    shop = Shop(world, world.operator.post("/v1/merchants", body).ok(201)["merchant_id"])
    ana = shop.customer()
    shop.save_card(ana)
    tab = shop.open(ana, 8000, deposit_minor=2000)
    shop.agree(ana, tab, EVERYTHING)
    world.deliver()
    shop.complete(shop.seen(tab), 8000)
    ana.post(verb(tab, "accept_bill")).ok()
    assert settled(shop, tab)["status"] == "closed"

    made = charges_sent(world)
    assert [one["statement_descriptor_suffix"] for one in made] == ["Cafe Gross", "Cafe Gross"]
    assert not [one for one in made if "receipt_email" in one]
    assert not [one for one in sent(world) if "email" in one["body"]]


# Who hears of the end


@pytest.mark.parametrize("how", ["no card", "card removed", "reminders used up"])
def test_the_owner_hears_of_the_end_of_collection(world: World, shop: Shop, ana: Caller, how: str) -> None:
    """Whatever ends it: once, with the reason."""
    if how == "no card":
        tab = shop.open(ana, 8000)
        shop.agree(ana, tab, EVERYTHING)
        shop.complete(tab, 8000)
        world.move(days=1)
        world.move(minutes=30)
    elif how == "card removed":
        tab = billed(shop, ana, 8000, card="pm_card_visa")
        bank_says(shop, ana, "insufficient_funds")
        world.move(days=1)
        assert "owner: collection_ended" not in world.said()
        ana.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()
    else:
        billed(shop, ana, 8000)
        for _ in range(9):
            world.move(days=1)

    told = [message for message in world.messages if message.kind == "collection_ended"]
    assert [message.to for message in told] == ["owner"]
    what, why = ("reminding", None) if how == "reminders used up" else ("charging", "no_card")
    assert (told[0].values["what"], told[0].values["why"]) == (what, why)


def test_a_hold_captured_early_never_takes_what_is_contested(world: World) -> None:
    """Of 20.00 held, 15.00 of a bill of 30.00 are contested: at most what is not contested is captured."""
    shop = world.shop(contest_deadline_s=30 * 24 * 3600)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24, estimate_minor=3000), [*EVERYTHING])
    world.move(hours=24)
    shop.complete(tab, 3000)
    ana.post(verb(tab, "contest"), {"reason": "Half of it.", "contested_minor": 1500}).ok()

    for _ in range(7):
        world.move(days=1)

    seen = shop.seen(tab)
    assert (seen["status"], amounts(seen)) == ("contested", [("capture", 1500)])
