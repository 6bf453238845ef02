"""A presented bill: contested, adjusted, refunded, paid in cash, waived, written off."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from .world import Caller, Shop, World, amounts, billed, booking, held, paid, settled


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def verb(tab: dict[str, Any], name: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{name}"


# Contests


def test_a_contested_bill_is_adjusted_and_paid(world: World, shop: Shop, ana: Caller) -> None:
    """The owner hears of a contest, lowers the bill, and the customer reviews it again, accepts and pays the rest."""
    tab = billed(shop, ana, 6000, 2000)
    world.said()

    contested = ana.post(verb(tab, "contest"), {"reason": "No treatment was done.", "contested_minor": 2000}).ok()

    assert (contested["status"], contested["balance_minor"]) == ("contested", 8000)
    assert contested["contest"]["reason"] == "No treatment was done."
    assert contested["contest"]["contested_minor"] == 2000
    assert contested["contest"]["deadline_at"] > contested["contest"]["contested_at"]
    assert contested["review_ends_at"] is None
    assert world.said() == ["owner: contested"]

    body = {"resolution": "adjust", "reduction_minor": 2000, "reason": "Charged by mistake."}
    resolved = shop.staff.post(verb(tab, "resolve"), body).ok()

    assert (resolved["status"], resolved["contest"], resolved["adjusted_minor"]) == ("in_review", None, 2000)
    assert (resolved["total_minor"], resolved["balance_minor"]) == (6000, 6000)
    assert resolved["review_ends_at"] is None
    assert world.said() == ["customer: contest_resolved"]
    world.pump.run()
    assert shop.seen(tab)["review_ends_at"] is not None
    ana.post(verb(tab, "accept_bill"), {"rating": 5, "comment": "Fair."}).ok()
    paid(shop, ana, tab)

    closed = settled(shop, tab)
    assert (closed["status"], closed["payment_state"], amounts(closed)) == ("closed", "paid", [("charge", 6000)])
    assert closed["feedback"] == {"rating": 5, "comment": "Fair."}
    assert closed["ledger"] == {"customer_receivable": 0, "service_revenue": -6000, "stripe_balance": 6000}


def test_a_contest_is_of_the_whole_bill_where_no_amount_is_given(shop: Shop, ana: Caller) -> None:
    """Without contested_minor all of the bill is in question."""
    tab = billed(shop, ana, 8000)

    contested = ana.post(verb(tab, "contest"), {"reason": "All of it."}).ok()

    assert contested["contest"]["contested_minor"] == 8000


def test_a_contest_that_is_upheld_goes_on_as_agreed(world: World, shop: Shop, ana: Caller) -> None:
    """Upheld, the bill is due, and the saved card is charged for it because the customer agreed to that."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(tab, "contest"), {"reason": "Too dear."}).ok()
    world.move(days=3)
    assert amounts(shop.seen(tab)) == []

    shop.staff.post(verb(tab, "resolve"), {"resolution": "uphold", "reason": "As agreed."}).ok()

    assert amounts(settled(shop, tab)) == [("charge", 8000)]


def test_a_contest_that_is_waived_gives_everything_back(world: World, shop: Shop, ana: Caller) -> None:
    """Waived, nothing is due, and the part that was paid before goes back by itself."""
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.move(hours=24)
    shop.complete(tab, 8000)
    accepted = ana.post(verb(tab, "accept_bill")).ok()
    assert (accepted["status"], amounts(accepted)) == ("due", [("capture", 2000)])
    ana.post(verb(tab, "contest"), {"reason": "The colour is wrong."}).ok()
    world.said()

    shop.owner.post(verb(tab, "resolve"), {"resolution": "waive", "reason": "It is."}).ok()

    closed = settled(shop, tab)
    assert (closed["status"], closed["amount_due_minor"], closed["refunded_minor"]) == ("closed", 0, 2000)
    assert closed["waived_minor"] == 8000
    assert "customer: contest_resolved" in world.said()


def test_a_contest_nobody_answers_is_resolved_by_the_policy(world: World) -> None:
    """At the deadline the owner is reminded, and later the policy's default applies, with both told once."""
    shop = world.shop(contest_deadline_s=24 * 3600, contest_default_after_s=24 * 3600)
    ana = shop.customer()
    tab = billed(shop, ana, 8000)
    ana.post(verb(tab, "contest"), {"reason": "The colour is wrong."}).ok()
    world.said()

    world.move(hours=25)
    assert (shop.seen(tab)["status"], world.said()) == ("contested", ["owner: contest_overdue"])
    world.move(hours=25)

    closed = settled(shop, tab)
    assert (closed["status"], closed["waived_minor"]) == ("closed", 8000)
    assert world.said() == ["customer: contest_resolved"]
    assert closed["ledger"] == {"customer_receivable": 0, "goodwill": 8000, "service_revenue": -8000}


def test_of_an_unanswered_contest_the_rest_is_charged(world: World, shop: Shop, ana: Caller) -> None:
    """20.00 of 80.00 were contested: 60.00 are charged as promised, and never the 20.00."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(tab, "contest"), {"reason": "The colour is wrong.", "contested_minor": 2000}).ok()

    world.move(days=8)
    world.move(days=3)

    closed = settled(shop, tab)
    assert (closed["status"], amounts(closed), closed["waived_minor"]) == ("closed", [("charge", 6000)], 2000)


def test_cash_that_is_owed_back_waits_for_staff(world: World, shop: Shop, ana: Caller) -> None:
    """Contested, unanswered, waived: 30.00 of cash are owed, both are told, and it ends when they are handed over."""
    tab = billed(shop, ana, 8000)
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 3000}).ok()
    ana.post(verb(tab, "contest"), {"reason": "The colour is wrong."}).ok()
    world.move(days=8)
    world.said()
    world.move(days=3)

    owed = shop.seen(tab)
    assert (owed["status"], owed["payment_state"], owed["cash_to_return_minor"]) == ("due", "refund_owed", 3000)
    assert world.said()[-2:] == ["customer: cash_to_return", "owner: cash_to_return"]
    assert "return_cash" in owed["allowed_actions"]
    assert "return_cash" not in shop.seen(tab, ana)["allowed_actions"]
    shop.staff.post(verb(tab, "return_cash"), {"amount_minor": 3001}).problem(422, "invalid_input")
    ana.post(verb(tab, "return_cash"), {"amount_minor": 3000}).problem(403, "forbidden")

    closed = shop.staff.post(verb(tab, "return_cash"), {"amount_minor": 3000}).ok()

    assert (closed["status"], closed["payment_state"], closed["cash_to_return_minor"]) == ("closed", "none", 0)
    assert closed["ledger"]["cash"] == 0
    shop.staff.post(verb(tab, "return_cash"), {"amount_minor": 1}).problem(409, "nothing_to_pay")


def test_a_contest_stops_the_automatic_charge(world: World, shop: Shop, ana: Caller) -> None:
    """A customer who agreed to be charged after the window and contests within it is not charged by its end."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(tab, "contest"), {"reason": "Too dear."}).ok()

    world.move(days=2)

    assert (shop.seen(tab)["status"], amounts(shop.seen(tab))) == ("contested", [])
    assert world.at_stripe(f"customers/{customer_ref(world, shop, ana)}")["object"] == "customer"
    assert [event["type"] for event in world.events() if event["type"].startswith("payment_intent")] == []


def customer_ref(world: World, shop: Shop, customer: Caller) -> str:
    return world.deps.store.get_customer(shop.merchant_id, customer.customer_id or "").customer_ref


# Amended and adjusted


def test_an_amended_bill_is_presented_anew(world: World, shop: Shop, ana: Caller) -> None:
    """Amending takes the bill back and its postings with it; completing presents another, with a new window."""
    tab = billed(shop, ana, 6000, 2000)
    world.move(hours=5)

    opened = shop.staff.post(verb(tab, "amend")).ok()

    assert (opened["status"], opened["presented_at"], opened["review_ends_at"]) == ("open", None, None)
    assert opened["ledger"] == {"customer_receivable": 0, "service_revenue": 0}
    shop.staff.post(verb(tab, f"items/{opened['items'][1]['item_id']}/void")).ok()
    again = shop.complete(opened)
    assert (again["total_minor"], again["balance_minor"]) == (6000, 6000)
    assert again["review_ends_at"] > tab["review_ends_at"]
    paid(shop, ana, tab)
    assert amounts(settled(shop, tab)) == [("charge", 6000)]


def test_amending_closes_the_payment_on_the_phone(world: World, shop: Shop, ana: Caller) -> None:
    """What the phone was about to pay is closed at Stripe first: nobody pays a bill that was taken back."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(verb(tab, "charges"), {"mode": "on_session"}).ok()["payment"]

    shop.staff.post(verb(tab, "amend")).ok()

    assert world.confirm(asked)["error"]["code"] == "payment_intent_unexpected_state"


def test_a_bill_is_lowered_before_it_is_paid(world: World, shop: Shop, ana: Caller) -> None:
    """Adjusted under review, the bill and its tax are lower, and the customer is told."""
    tab = shop.open(ana, 11900)
    shop.agree(ana, tab, ["cap"])
    shop.add(tab, 11900, tax_basis_points=1900)
    shop.complete(tab)
    world.said()

    lower = shop.staff.post(verb(tab, "adjust"), {"reduction_minor": 5950, "reason": "Half of it."}).ok()

    assert (lower["total_minor"], lower["tax_minor"], lower["balance_minor"]) == (5950, 950, 5950)
    assert lower["ledger"] == {"customer_receivable": 5950, "service_revenue": -5000, "tax": -950}
    assert world.said() == ["customer: bill_adjusted"]


def test_a_paid_bill_that_is_lowered_goes_back_in_part(world: World, shop: Shop, ana: Caller) -> None:
    """Adjusted after it was paid, the difference is refunded in the same request."""
    tab = paid(shop, ana, billed(shop, ana, 8000))

    lower = shop.staff.post(verb(tab, "adjust"), {"reduction_minor": 3000, "reason": "It faded."}).ok()

    assert lower["payment"] is None or lower["payment"]["operation"] == "refund"
    closed = settled(shop, tab)
    assert (closed["total_minor"], closed["refunded_minor"], closed["payment_state"]) == (5000, 3000, "paid")
    assert closed["ledger"]["stripe_balance"] == 5000


# Refunds


def two_legs(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    """Paid with 20.00 from the hold and 60.00 from the card."""
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)
    ana.post(verb(tab, "accept_bill")).ok()
    return settled(shop, tab)


def test_a_refund_is_taken_from_the_newest_leg_first(world: World, shop: Shop, ana: Caller) -> None:
    """70.00 of 80.00: the charge's 60.00 whole, then 10.00 of the capture; the customer is told once."""
    tab = two_legs(world, shop, ana)
    world.said()

    shop.staff.post(verb(tab, "refunds"), {"amount_minor": 7000, "reason": "The sauna was closed."}).ok()

    closed = settled(shop, tab)
    assert [leg["refunded_minor"] for leg in closed["legs"]] == [1000, 6000]
    assert (closed["status"], closed["payment_state"], closed["paid_minor"]) == ("closed", "paid", 1000)
    assert closed["ledger"]["service_revenue"] == -1000
    assert world.said() == ["customer: refund"]


def test_without_an_amount_everything_goes_back(world: World, shop: Shop, ana: Caller) -> None:
    """A refund without an amount is of all that was taken, the tip included."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(verb(tab, "accept_bill"), {"tip_minor": 500}).ok()

    shop.staff.post(verb(tab, "refunds"), {"reason": "It was bad."}).ok()

    closed = settled(shop, tab)
    assert (closed["refunded_minor"], closed["paid_minor"], closed["amount_due_minor"]) == (8500, 0, 0)
    assert {account: minor for account, minor in closed["ledger"].items() if minor} == {}


def test_a_refund_that_fails_is_left_to_a_person(world: World, shop: Shop, ana: Caller) -> None:
    """Where the bank can't take the money back the obligation stands, the owner hears of it, and the tab is flagged."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_refundFail")
    shop.staff.post(verb(tab, "refunds"), {"amount_minor": 3000, "reason": "It faded."}).ok()
    world.sweep()
    world.said()

    world.move(days=10)

    failed = shop.seen(tab)
    assert (failed["payment_state"], failed["refund_owed_minor"]) == ("refund_owed", 3000)
    assert [(flag["kind"], flag["amount_minor"]) for flag in failed["flags"]] == [
        ("refund_by_hand", failed["refund_owed_minor"])
    ]
    assert world.said() == ["owner: refund_failed"]
    assert shop.seen(tab, ana)["flags"] is None


# Cash


def test_cash_closes_the_bill(world: World, shop: Shop, ana: Caller) -> None:
    """Cash in two parts pays the bill; no money goes through Stripe, and a receipt is sent."""
    tab = billed(shop, ana, 8000)
    world.said()

    half = shop.staff.post(verb(tab, "cash"), {"amount_minor": 3000}).ok()
    assert (half["payment_state"], half["balance_minor"]) == ("partly_paid", 5000)
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 5000}).ok()

    closed = shop.seen(tab)
    assert (closed["status"], closed["payment_state"]) == ("closed", "paid")
    assert amounts(closed) == [("cash", 3000), ("cash", 5000)]
    assert closed["ledger"] == {"customer_receivable": 0, "cash": 8000, "service_revenue": -8000}
    world.sweep()
    assert world.said() == ["customer: receipt"]


def test_cash_goes_back_in_cash(world: World, shop: Shop, ana: Caller) -> None:
    """A refund of cash is recorded at once, and Stripe hears nothing of it."""
    tab = billed(shop, ana, 8000)
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 8000}).ok()

    back = shop.staff.post(verb(tab, "refunds"), {"amount_minor": 3000, "reason": "It faded."}).ok()

    assert (back["refunded_minor"], back["ledger"]["cash"], back["payment"]) == (3000, 5000, None)
    assert [event["type"] for event in world.events() if "refund" in event["type"]] == []


def test_cash_closes_the_payment_on_the_phone(world: World, shop: Shop, ana: Caller) -> None:
    """Whoever pays at the till can't pay on the phone as well."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(verb(tab, "charges"), {"mode": "on_session"}).ok()["payment"]

    shop.staff.post(verb(tab, "cash"), {"amount_minor": 8000}).ok()

    assert world.confirm(asked)["error"]["code"] == "payment_intent_unexpected_state"
    assert amounts(shop.seen(tab)) == [("cash", 8000)]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("cash", {"amount_minor": 8000}),
        ("adjust", {"reduction_minor": 1000, "reason": "It faded."}),
        ("amend", {}),
        ("waive", {"reason": "It faded."}),
    ],
)
def test_what_comes_after_the_phone_was_paid_is_refused(
    world: World, shop: Shop, ana: Caller, name: str, body: dict[str, Any]
) -> None:
    """Paid on the phone a moment ago, not heard of yet: the change is refused with 409 and the payment adopted."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(verb(tab, "charges"), {"mode": "on_session"}).ok()["payment"]
    assert world.confirm(asked)["status"] == "succeeded"

    shop.staff.post(verb(tab, name), body).problem(409, "payment_in_progress")

    after = settled(shop, tab)
    assert (after["status"], amounts(after), after["total_minor"]) == ("closed", [("charge", 8000)], 8000)


# Tips


def test_a_tip_after_payment_is_a_payment_of_its_own(world: World, shop: Shop, ana: Caller) -> None:
    """The tip is due only when it is paid, on the phone, and then stands in the ledger as a tip."""
    tab = paid(shop, ana, billed(shop, ana, 8000))

    asked = ana.post(verb(tab, "tip"), {"tip_minor": 500}).ok()
    assert (asked["tip_minor"], asked["balance_minor"]) == (0, 0)
    assert (asked["payment"]["state"], asked["payment"]["amount_minor"]) == ("awaiting_customer", 500)
    assert asked["payment"]["client_secret"]
    assert world.confirm(asked["payment"])["status"] == "succeeded"

    tipped = settled(shop, tab)
    assert (tipped["status"], tipped["payment_state"], tipped["tip_minor"]) == ("closed", "paid", 500)
    assert amounts(tipped) == [("charge", 8000), ("charge", 500)]
    assert tipped["ledger"]["tips"] == -500


def test_a_tip_nobody_confirms_is_no_tip(world: World, shop: Shop, ana: Caller) -> None:
    """After half an hour the tip's payment is closed, and nothing was ever owed for it."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    asked = ana.post(verb(tab, "tip"), {"tip_minor": 500}).ok()["payment"]

    world.move(minutes=35)

    assert world.confirm(asked)["error"]["code"] == "payment_intent_unexpected_state"
    assert (shop.seen(tab)["tip_minor"], shop.seen(tab)["payment_state"]) == (0, "paid")


# Feedback


def test_feedback_is_kept_with_the_tab(shop: Shop, ana: Caller) -> None:
    """A rating with its comment is on the tab for both sides; without one there is none."""
    first, second = billed(shop, ana, 1000), billed(shop, ana, 1000)

    ana.post(verb(first, "accept_bill"), {"rating": 1, "comment": "Cold\n\tcoffee"}).ok()
    ana.post(verb(second, "accept_bill")).ok()

    assert shop.seen(first)["feedback"] == {"rating": 1, "comment": "Cold\n\tcoffee"}
    assert shop.seen(first, ana)["feedback"] == {"rating": 1, "comment": "Cold\n\tcoffee"}
    assert shop.seen(second)["feedback"] is None


# Unpaid


def test_an_unpaid_bill_is_reminded_of_and_written_off(world: World) -> None:
    """Each reminder is sent once; the owner gives the bill up, and no reminder follows."""
    shop = world.shop(reminder_offsets_s=[24 * 3600, 72 * 3600, 96 * 3600], quiet_from_hour=0, quiet_until_hour=0)
    ana = shop.customer()
    tab = billed(shop, ana, 8000)
    world.said()

    reminders = []
    for _ in range(4):
        world.move(days=1)
        reminders += world.said()
    assert reminders == ["customer: reminder"] * 2

    given_up = shop.owner.post(verb(tab, "write_off"), {"reason": "Moved away."}).ok()

    assert (given_up["status"], given_up["outcome"]) == ("closed", "written_off")
    assert given_up["payment_state"] == "written_off"
    assert (given_up["written_off_minor"], given_up["balance_minor"]) == (8000, 0)
    assert given_up["ledger"] == {"customer_receivable": 0, "bad_debt": 8000, "service_revenue": -8000}
    world.move(days=3)
    assert world.said() == []


def test_a_part_paid_bill_that_is_written_off_gets_a_receipt(world: World, shop: Shop, ana: Caller) -> None:
    """20.00 of 80.00 were paid in cash: the rest is given up, and there is a receipt for the 20.00."""
    tab = billed(shop, ana, 8000)
    shop.staff.post(verb(tab, "cash"), {"amount_minor": 2000}).ok()
    world.move(days=2)
    world.said()

    shop.owner.post(verb(tab, "write_off"), {"reason": "Moved away."}).ok()

    assert world.said() == ["customer: receipt"]


def test_a_fee_is_written_off(world: World, shop: Shop, ana: Caller) -> None:
    """A no-show's fee that nobody pays is given up like a bill; staff can't."""
    tab = booking(shop, ana, hours=24, deposit_minor=0)
    shop.agree(ana, tab, ["cap", "deposit_and_fees"])
    world.move(hours=25)
    tab = shop.staff.post(verb(tab, "no_show")).ok()
    assert tab["balance_minor"] == 1500
    assert "write_off" not in tab["allowed_actions"]
    assert "write_off" in shop.owner.get(f"/v1/tabs/{tab['tab_id']}").ok()["allowed_actions"]

    given_up = shop.owner.post(verb(tab, "write_off"), {"reason": "Moved away."}).ok()

    assert (given_up["status"], given_up["outcome"]) == ("closed", "written_off")
    assert given_up["ledger"] == {"customer_receivable": 0, "bad_debt": 1500, "fees_income": -1500}


def test_a_late_payment_recovers_a_write_off(world: World, shop: Shop, ana: Caller) -> None:
    """Who pays after all may do so on the phone, and the ledger has it as a recovery."""
    tab = billed(shop, ana, 8000)
    world.move(days=2)
    shop.owner.post(verb(tab, "write_off"), {"reason": "Moved away."}).ok()

    paid(shop, ana, tab)

    closed = settled(shop, tab)
    assert (closed["payment_state"], closed["written_off_minor"]) == ("paid", 0)
    assert closed["ledger"] == {
        "customer_receivable": 0, "bad_debt": 8000, "recovery": -8000, "service_revenue": -8000,
        "stripe_balance": 8000,
    }  # fmt: skip


def test_a_declined_charge_is_tried_again_and_the_customer_told(world: World) -> None:
    """Declined for lack of funds, the saved card is tried again when the policy says, and then the bill is paid."""
    shop = world.shop(reminder_offsets_s=[], retry_offsets_s=[48 * 3600])
    ana = shop.customer()
    tab = billed(shop, ana, 8000, card="pm_card_chargeCustomerFail")
    world.said()
    card_id = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).card
    assert card_id is not None
    world.control("cards", {"payment_method": card_id.card_id, "decline": "insufficient_funds"})

    world.move(hours=25)
    assert (amounts(shop.seen(tab)), world.said()) == ([], ["customer: card_declined"])
    world.control("cards", {"payment_method": card_id.card_id, "decline": None})
    world.move(hours=24)
    assert amounts(shop.seen(tab)) == []
    world.move(hours=25)

    assert amounts(settled(shop, tab)) == [("charge", 8000)]
    assert world.said() == ["customer: receipt"]


def test_a_bank_that_asks_about_the_automatic_charge(world: World, shop: Shop, ana: Caller) -> None:
    """The same payment waits for the customer, who is told of it, confirms it on the phone, and is charged once."""
    tab = billed(shop, ana, 8000, card="pm_card_authenticationRequired")
    world.said()

    world.move(hours=25)

    assert world.said() == ["customer: confirmation_needed"]
    waiting = shop.seen(tab, ana)["payment"]
    assert (waiting["state"], waiting["failure"]["code"]) == ("awaiting_customer", "authentication_required")
    world.confirm(waiting, "pm_card_visa")
    closed = settled(shop, tab)
    assert (closed["status"], amounts(closed)) == ("closed", [("charge", 8000)])
    assert [leg["payment_id"] for leg in closed["legs"]] == [waiting["payment_id"]]
    world.sweep()
    assert world.said() == ["customer: receipt"]


# Follow-up in the hands of staff


def test_staff_pause_and_resume_the_follow_up(world: World, shop: Shop, ana: Caller) -> None:
    """Who paused it and why is for the business; what was held back comes when it is resumed."""
    tab = billed(shop, ana, 8000)
    path = f"/v1/tabs/{tab['tab_id']}"
    until = world.in_(days=30)

    paused = shop.staff.post(f"{path}/pause_followup", {"reason": "In hospital.", "until": until}).ok()

    assert paused["pause"]["reason"] == "In hospital."
    assert datetime.fromisoformat(paused["pause"]["until"]) == datetime.fromisoformat(until)
    assert "resume_followup" in paused["allowed_actions"]
    assert ana.get(path).ok()["pause"] is None
    assert "hospital" not in ana.get(f"{path}/timeline").raw.decode()
    world.move(days=3)
    assert "customer: reminder" not in world.said()

    resumed = shop.staff.post(f"{path}/resume_followup").ok()

    assert (resumed["status"], resumed["pause"]) == ("due", None)
    shop.staff.post(f"{path}/resume_followup").problem(409, "transition_refused")
    world.move(days=1)
    assert world.said().count("customer: reminder") == 1


def test_staff_send_a_reminder_now(world: World, shop: Shop, ana: Caller) -> None:
    """Once, however often it is asked for; before the bill is due it is refused, with the reason."""
    tab = billed(shop, ana, 8000)
    path = f"/v1/tabs/{tab['tab_id']}"
    assert "due" in shop.staff.post(f"{path}/send_reminder").problem(409, "transition_refused")["detail"]
    ana.post(f"{path}/accept_bill", {}).ok()

    shop.staff.post(f"{path}/send_reminder").ok()

    again = shop.staff.post(f"{path}/send_reminder").problem(409, "transition_refused")
    assert "less than a day ago" in again["detail"]
    kinds = [entry["kind"] for entry in shop.staff.get(f"{path}/timeline").ok()["entries"]]
    assert kinds[-2:] == ["reminder_requested", "reminded"]
    world.sweep()
    assert world.said().count("customer: reminder") == 1


# The review window


def test_the_window_begins_when_the_customer_has_seen_the_bill(world: World, shop: Shop, ana: Caller) -> None:
    """Looking at the tab says nothing; saying so does, once."""
    tab = shop.open(ana, 8000)
    shop.agree(ana, tab)
    shop.add(tab, 8000)
    presented = shop.staff.post(verb(tab, "complete")).ok()
    assert presented["review_ends_at"] is None
    assert shop.seen(tab, ana)["review_ends_at"] is None

    seen = ana.post(verb(tab, "seen")).ok()

    assert seen["review_ends_at"] == world.in_(days=1).replace("+00:00", "Z")
    world.move(hours=1)
    assert ana.post(verb(tab, "seen")).ok()["review_ends_at"] == seen["review_ends_at"]
    kinds = [entry["kind"] for entry in ana.get(f"{verb(tab, 'timeline')}").ok()["entries"]]
    assert (kinds.count("bill_seen"), kinds.count("bill_told")) == (1, 0)


def test_a_customer_nobody_can_reach_is_charged_after_a_day_of_review(world: World, shop: Shop, ana: Caller) -> None:
    """Without an address the window begins at once; the timeline says why."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")

    (told,) = [e for e in shop.staff.get(verb(tab, "timeline")).ok()["entries"] if e["kind"] == "bill_told"]
    assert told["details"]["how"] == "no_address"
    world.move(hours=25)
    assert settled(shop, tab)["status"] == "closed"


def test_a_bill_that_nobody_was_told_of_waits_and_is_flagged(world: World, shop: Shop, ana: Caller) -> None:
    """The post is down for days: nothing is charged, and the owner sees it."""
    world.pump.rests = True
    tab = billed(shop, ana, 8000, card="pm_card_visa")

    world.move(days=1)
    world.move(days=10)

    waiting = shop.seen(tab, shop.owner)
    assert (waiting["status"], waiting["review_ends_at"], waiting["paid_minor"]) == ("in_review", None, 0)
    assert [flag["kind"] for flag in waiting["flags"]] == ["bill_not_told"]
    world.pump.rests = False
    world.move(hours=1)
    told = shop.seen(tab, shop.owner)
    assert (told["flags"], told["review_ends_at"] is not None) == ([], True)
