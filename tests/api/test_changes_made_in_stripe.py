"""Changes made in Stripe, which only events report: disputes, refunds in the dashboard, removed and renewed cards."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chalicelib import bootstrap

from .world import CARD_TERMS, Caller, Shop, World, amounts, billed, booking, held, paid, settled

NEEDED = ["cap", "deposit_and_fees", "card_on_file"]


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def disputed(shop: Shop, ana: Caller) -> dict[str, Any]:
    """80.00, paid on the phone with a card whose bank disputes the payment at once."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_createDispute")
    assert tab["payment_state"] == "disputed"
    return tab


def the_dispute(world: World) -> str:
    found = [event for event in world.events() if event["type"] == "charge.dispute.created"]
    return str(found[-1]["data"]["object"]["id"])


# Disputes


def test_a_dispute_finds_its_tab_by_the_payment(world: World, shop: Shop, ana: Caller) -> None:
    """A dispute carries nothing of ours: its payment's pointer leads to the tab, whose money it takes back."""
    tab = disputed(shop, ana)
    (event,) = [found for found in world.events() if found["type"] == "charge.dispute.created"]
    assert event["data"]["object"]["metadata"] == {}

    (leg,) = shop.seen(tab)["legs"]
    assert leg["disputes"][0]["dispute_id"] == event["data"]["object"]["id"]
    assert (leg["disputes"][0]["state"], leg["disputes"][0]["withdrawn_minor"]) == ("open", 8000)
    ledger = shop.seen(tab)["ledger"]
    assert (ledger["stripe_balance"], ledger["disputes_receivable"]) == (0, 8000)
    assert "owner: disputed" in world.said()
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"reason": "x"}).problem(409, "transition_refused")


def test_the_pointer_is_asked_before_stripe(
    world: World, shop: Shop, ana: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is about a payment we know finds its tab in our own table: Stripe is not asked whose it is."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.control("disputes", {"payment_intent": tab["legs"][0]["payment_id"]})
    found = bootstrap.get_deps().gateway
    fetched = []
    monkeypatch.setattr(type(found), "fetch_owner", lambda self, event: fetched.append(event) or event)

    assert set(world.deliver()) <= {"handled", "ignored", "seen"}
    assert fetched == []

    after = shop.seen(tab)
    assert after["payment_state"] == "disputed"


def test_a_dispute_that_is_lost_is_a_loss(world: World, shop: Shop, ana: Caller) -> None:
    """Nobody answers the bank, and nine days later the money is gone: written off, the owner told."""
    tab = disputed(shop, ana)
    world.sweep()
    world.said()

    world.move(days=10)

    lost = shop.seen(tab)
    assert (lost["status"], lost["payment_state"], lost["legs"][0]["disputes"][0]["state"]) == (
        "closed", "written_off", "lost"
    )  # fmt: skip
    assert lost["ledger"]["bad_debt"] == 8000
    assert sum(lost["ledger"].values()) == lost["ledger"]["disputes_receivable"] == 0
    assert world.said() == ["owner: dispute_closed"]


def test_a_dispute_that_is_won_comes_back(world: World, shop: Shop, ana: Caller) -> None:
    """With winning evidence the money is reinstated, the tab is paid as before, and can be refunded again."""
    tab = disputed(shop, ana)
    world.sweep()
    world.said()

    world.at_stripe(f"disputes/{the_dispute(world)}", {"evidence[uncategorized_text]": "winning_evidence"})
    world.deliver()

    won = shop.seen(tab)
    assert (won["payment_state"], won["legs"][0]["disputes"][0]["state"]) == ("paid", "won")
    assert (won["ledger"]["stripe_balance"], won["ledger"]["disputes_receivable"]) == (8000, 0)
    assert world.said() == ["owner: dispute_closed"]
    assert "refund" in won["allowed_actions"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
def test_a_dispute_told_in_any_order(world: World, shop: Shop, ana: Caller, seed: int, evidence: str) -> None:
    """Paid, disputed, withdrawn, closed, reinstated: in any order, and twice, the news leads to the same books."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked, "pm_card_createDispute")
    world.at_stripe(f"disputes/{the_dispute(world)}", {"evidence[uncategorized_text]": evidence})
    told = [event for event in world.events() if event["type"].startswith(("charge.dispute", "payment_intent"))]
    assert len(told) >= 4

    random.Random(seed).shuffle(told)
    for number, event in enumerate(told * 2):
        assert world.webhook({**event, "id": f"evt_{seed}_{number}"}).status == 200

    after = shop.seen(tab)
    ledger = {account: minor for account, minor in after["ledger"].items() if minor}
    if evidence == "winning_evidence":
        assert (after["payment_state"], ledger) == ("paid", {"service_revenue": -8000, "stripe_balance": 8000})
    else:
        assert (after["payment_state"], ledger) == ("written_off", {"service_revenue": -8000, "bad_debt": 8000})


def test_an_inquiry_takes_nothing_and_the_owner_hears_of_it(world: World, shop: Shop, ana: Caller) -> None:
    """A bank that only asks has taken no money: the tab stays paid, and a refund, which ends it, is possible."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_createDisputeInquiry")
    assert "owner: inquiry" in world.said()

    after = settled(shop, tab)

    assert (after["payment_state"], after["legs"][0]["disputes"][0]["state"]) == ("paid", "inquiry")
    back = shop.staff.post(verb(tab, "refunds"), {"reason": "It faded."}).ok()
    assert back["payment"]["operation"] == "refund"
    after = settled(shop, tab)
    assert (after["payment_state"], after["refunded_minor"]) == ("none", 8000)


def test_an_inquiry_that_nobody_answers_is_an_end(world: World, shop: Shop, ana: Caller) -> None:
    """Nothing moves, and the owner hears that it is over."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_createDisputeInquiry")
    world.said()

    world.move(days=10)

    after = settled(shop, tab)
    assert (after["payment_state"], after["legs"][0]["disputes"][0]["state"]) == ("paid", "inquiry_closed")
    assert "owner: dispute_closed" in world.said()


def test_an_inquiry_that_becomes_a_dispute(world: World, shop: Shop, ana: Caller) -> None:
    """Now the bank takes the money: the owner hears of that, too, and no refund is made beside it."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_createDisputeInquiry")
    world.said()

    world.control("disputes/decide", {"dispute": the_dispute(world), "outcome": "escalated"})
    world.deliver()

    after = shop.seen(tab)
    assert (after["payment_state"], after["legs"][0]["disputes"][0]["withdrawn_minor"]) == ("disputed", 8000)
    assert "refund" not in after["allowed_actions"]
    assert world.said() == ["owner: disputed"]


def test_a_dispute_that_was_prevented_is_over(world: World, shop: Shop, ana: Caller) -> None:
    """It ends before it counts as one: what was taken is back, and the payment is one like any other."""
    tab = disputed(shop, ana)
    world.sweep()
    world.said()

    world.control("disputes/decide", {"dispute": the_dispute(world), "outcome": "prevented"})
    world.deliver()

    after = shop.seen(tab)
    assert (after["payment_state"], after["legs"][0]["disputes"][0]["state"]) == ("paid", "prevented")
    assert (after["ledger"]["stripe_balance"], after["ledger"]["disputes_receivable"]) == (8000, 0)
    assert "refund" in after["allowed_actions"]
    assert world.said() == ["owner: dispute_closed"]


def dispute_a_part(world: World, tab: dict[str, Any], amount_minor: int) -> str:
    payment_id = tab["legs"][0]["payment_id"]
    made = world.control("disputes", {"payment_intent": payment_id, "amount": amount_minor})
    world.deliver()
    return str(made["id"])


def test_what_a_bank_took_is_counted_once_and_the_rest_goes_back(world: World, shop: Shop, ana: Caller) -> None:
    """80.00 charged, 30.00 of it lost to the bank, and the bill comes to nothing: the other 50.00 are refunded."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    lost = dispute_a_part(world, tab, 3000)
    world.control("disputes/decide", {"dispute": lost, "outcome": "lost"})
    world.deliver()

    shop.staff.post(verb(tab, "adjust"), {"reduction_minor": 8000, "reason": "All wrong."}).ok()
    world.deliver()

    after = shop.seen(tab)
    history = shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()["entries"]
    returned = [entry["details"]["amount_minor"] for entry in history if entry["kind"] == "returned_by_bank"]
    assert returned == [3000]
    assert world.at_stripe_refunded(tab["legs"][0]["payment_id"]) == 5000
    assert {account: minor for account, minor in after["ledger"].items() if minor} == {}
    assert (after["payment_state"], after["paid_minor"], after["flags"]) == ("none", 0, [])


def test_a_second_dispute_of_one_payment_is_booked(world: World, shop: Shop, ana: Caller) -> None:
    """One of 30.00, won, and one of 20.00, lost: each with its own money, and the rest can be refunded."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    first, second = dispute_a_part(world, tab, 3000), dispute_a_part(world, tab, 2000)
    both = shop.seen(tab)
    assert [dispute["dispute_id"] for dispute in both["legs"][0]["disputes"]] == [first, second]
    assert (both["ledger"]["disputes_receivable"], both["flags"]) == (5000, [])

    for dispute, outcome in ((first, "won"), (second, "lost")):
        world.control("disputes/decide", {"dispute": dispute, "outcome": outcome})
    world.deliver()

    after = shop.seen(tab)
    assert [dispute["state"] for dispute in after["legs"][0]["disputes"]] == ["won", "lost"]
    assert (after["ledger"]["stripe_balance"], after["ledger"]["bad_debt"]) == (6000, 2000)
    shop.staff.post(verb(tab, "refunds"), {"reason": "Sorry."}).ok()
    assert world.at_stripe_refunded(tab["legs"][0]["payment_id"]) == 6000


def overtaken(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    """Of 80.00, 30.00 are on their way back when the bank takes the payment in dispute: Stripe lets the refund fail."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_pendingRefund")
    shop.staff.post(verb(tab, "refunds"), {"amount_minor": 3000, "reason": "It faded."}).ok()
    world.said()
    world.control("disputes", {"payment_intent": tab["legs"][0]["payment_id"]})
    world.deliver()
    return shop.seen(tab)


@pytest.mark.parametrize(("outcome", "refunded", "lost"), [("won", 3000, 0), ("lost", 3000, 5000)])
def test_a_refund_that_a_dispute_overtook_waits_for_the_bank(
    world: World, shop: Shop, ana: Caller, outcome: str, refunded: int, lost: int
) -> None:
    """Nobody is told to give it back another way. Won, it is refunded by itself; lost, the bank has done it."""
    tab = overtaken(world, shop, ana)
    assert (tab["payment_state"], tab["refund_owed_minor"], tab["flags"]) == ("disputed", 3000, [])
    assert "owner: refund_failed" not in world.said()
    owner = shop.owner.get(f"/v1/tabs/{tab['tab_id']}").ok()
    assert not {"retry_refund", "refund_elsewhere"} & set(owner["allowed_actions"])

    world.control("disputes/decide", {"dispute": the_dispute(world), "outcome": outcome})
    world.deliver()
    world.sweep()
    world.move(days=1)

    after = shop.seen(tab)
    assert (after["refund_owed_minor"], after["refunded_minor"]) == (0, refunded)
    assert after["ledger"].get("bad_debt", 0) == lost
    assert world.at_stripe_refunded(tab["legs"][0]["payment_id"]) == (3000 if outcome == "won" else 0)


def test_a_dispute_pauses_what_is_still_owed(world: World) -> None:
    """While the captured deposit is disputed nobody is reminded of the balance; once that is decided, they are."""
    shop = world.shop(reminder_offsets_s=[24 * 3600], quiet_from_hour=0, quiet_until_hour=0)
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.move(hours=24)
    shop.complete(tab, 8000)
    part = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    assert (part["status"], part["balance_minor"], amounts(part)) == ("due", 6000, [("capture", 2000)])
    dispute = world.control("disputes", {"payment_intent": part["legs"][0]["payment_id"]})
    world.deliver()
    world.said()

    world.move(days=3)

    assert (shop.seen(tab)["payment_state"], world.said()) == ("disputed", [])
    assert "remind" not in agenda(shop, tab)
    world.control("disputes/decide", {"dispute": dispute["id"], "outcome": "won"})
    world.deliver()
    world.sweep()
    assert (shop.seen(tab)["payment_state"], shop.seen(tab)["balance_minor"]) == ("partly_paid", 6000)
    assert world.said() == ["owner: dispute_closed", "customer: reminder", "owner: collection_ended"]


def verb(tab: dict[str, Any], name: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{name}"


def agenda(shop: Shop, tab: dict[str, Any]) -> list[str]:
    return [step["what"] for step in shop.staff.get(f"/v1/tabs/{tab['tab_id']}/agenda").ok()["pending"]]


# Refunds in the dashboard


def refund_in_dashboard(world: World, tab: dict[str, Any], amount_minor: int) -> dict[str, Any]:
    return world.at_stripe("refunds", {"payment_intent": tab["legs"][0]["payment_id"], "amount": str(amount_minor)})


def test_a_refund_in_the_dashboard_finds_its_tab(world: World, shop: Shop, ana: Caller) -> None:
    """A refund made past us carries nothing of ours, is found by its payment, and is a refund like one made here."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.sweep()
    world.said()

    made = refund_in_dashboard(world, tab, 3000)
    assert made["metadata"] == {}
    world.deliver()

    after = settled(shop, tab)
    assert (after["refunded_minor"], after["paid_minor"], after["amount_due_minor"]) == (3000, 5000, 5000)
    assert (after["status"], after["payment_state"], after["balance_minor"]) == ("closed", "paid", 0)
    assert after["ledger"]["service_revenue"] == -5000
    assert world.said() == ["customer: refund", "owner: bill_adjusted"]


def test_a_refund_in_the_dashboard_during_the_review_is_heard_of_by_both_sides(
    world: World, shop: Shop, ana: Caller
) -> None:
    """20.00 of an 80.00 bill were paid early and go back: the bill is 60.00 now, and both are told so."""
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    tab = shop.complete(tab, 8000)
    world.at_stripe(f"payment_intents/{tab['holds'][0]['payment_id']}/capture")
    world.deliver()
    world.said()

    refund_in_dashboard(world, shop.seen(tab), 2000)
    world.deliver()

    after = settled(shop, tab)
    assert (after["status"], after["amount_due_minor"], after["balance_minor"]) == ("in_review", 6000, 6000)
    assert sorted(world.said()) == ["customer: bill_adjusted", "customer: refund", "owner: bill_adjusted"]


def captured_while_booked(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.said()
    world.at_stripe(f"payment_intents/{tab['holds'][0]['payment_id']}/capture")
    world.deliver()
    return settled(shop, tab)


def test_a_hold_captured_in_the_dashboard_is_what_a_no_show_pays_with(world: World, shop: Shop, ana: Caller) -> None:
    """The 20.00 stay as the deposit they are, both sides know; the fee of 15.00 takes nothing more, 5.00 go back."""
    tab = captured_while_booked(world, shop, ana)
    assert (tab["paid_minor"], amounts(tab)) == (2000, [("capture", 2000)])
    assert sorted(world.said()) == ["customer: deposit_taken", "owner: deposit_taken"]

    world.move(hours=25)
    shop.staff.post(verb(tab, "no_show")).ok()
    world.move(days=2)

    after = settled(shop, tab)
    assert amounts(after) == [("capture", 2000)]
    assert (after["amount_due_minor"], after["paid_minor"], after["refunded_minor"]) == (1500, 1500, 500)


def test_a_hold_captured_in_the_dashboard_counts_towards_the_bill(world: World, shop: Shop, ana: Caller) -> None:
    """80.00 less the 20.00 that were taken already."""
    tab = captured_while_booked(world, shop, ana)
    world.move(hours=24)
    shop.complete(tab, 8000)

    ana.post(verb(tab, "accept_bill")).ok()

    assert amounts(settled(shop, tab)) == [("capture", 2000), ("charge", 6000)]


def test_a_hold_released_in_the_dashboard_can_be_agreed_to_again(world: World, shop: Shop, ana: Caller) -> None:
    """Both sides read that the customer can agree to a new one: it is the next step, and it works."""
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.said()
    world.at_stripe(f"payment_intents/{tab['holds'][0]['payment_id']}/cancel")
    world.deliver()
    assert sorted(world.said()) == ["customer: protection_lost", "owner: protection_lost"]
    assert [need["action"] for need in shop.seen(tab, ana)["needs"]] == ["accept_promise"]

    again = held(shop, ana, tab, ["cap", "deposit_and_fees"])

    assert [hold["state"] for hold in again["holds"]] == ["released", "live"]


def test_a_deposit_taken_early_is_not_refunded_beside_the_booking(world: World, shop: Shop, ana: Caller) -> None:
    """It counts towards the bill; the refusal says so, and what to do instead."""
    tab = captured_while_booked(world, shop, ana)

    refused = shop.staff.post(verb(tab, "refunds"), {"reason": "Sorry."}).problem(409, "transition_refused")

    assert refused["detail"].startswith("The deposit was taken early and counts towards the bill.")


def test_a_hold_captured_in_the_dashboard_goes_back_when_the_business_cancels(
    world: World, shop: Shop, ana: Caller
) -> None:
    """Nothing is due: all of it is refunded at once."""
    tab = captured_while_booked(world, shop, ana)

    shop.staff.post(verb(tab, "cancel"), {"reason": "Burst pipe."}).ok()

    after = settled(shop, tab)
    assert (after["status"], after["paid_minor"], after["refunded_minor"]) == ("closed", 0, 2000)


def test_a_hold_captured_in_the_dashboard_is_not_kept_for_ever(world: World, shop: Shop, ana: Caller) -> None:
    """A booking that nobody thinks of again: thirty days after its start the money goes back."""
    tab = captured_while_booked(world, shop, ana)

    world.move(days=32)

    assert settled(shop, tab)["refunded_minor"] == 2000


# Refunds that Stripe refuses because of what we have not heard of


@pytest.mark.parametrize(("outcome", "by_us", "lost_to_bank"), [("won", 8000, 0), ("lost", 5000, 3000)])
def test_a_refund_refused_over_a_dispute_we_had_not_heard_of_goes_on_by_itself(
    world: World, shop: Shop, ana: Caller, outcome: str, by_us: int, lost_to_bank: int
) -> None:
    """A bank took 30.00 of 80.00 a moment ago. Nobody is told to give the money back another way: it may pay twice."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    payment_id = tab["legs"][0]["payment_id"]
    dispute = world.control("disputes", {"payment_intent": payment_id, "amount": 3000})

    shop.staff.post(verb(tab, "refunds"), {"reason": "It faded."}).ok()

    after = shop.seen(tab)
    assert [(one["dispute_id"], one["state"]) for one in after["legs"][0]["disputes"]] == [(dispute["id"], "open")]
    world.move(days=1)
    world.control("disputes/decide", {"dispute": dispute["id"], "outcome": outcome})
    world.deliver()
    world.move(days=1)
    after = shop.seen(tab)
    assert (after["flags"], after["refund_owed_minor"], after["paid_minor"]) == ([], 0, 0)
    assert world.at_stripe_refunded(payment_id) == by_us
    assert after["refunded_minor"] == by_us + lost_to_bank
    assert not {"owner: refund_failed"} & set(world.said())


def test_a_refund_refused_over_one_in_the_dashboard_gives_back_the_rest(world: World, shop: Shop, ana: Caller) -> None:
    """50.00 of 80.00 went back in the dashboard a moment ago: 30.00 are left to give back."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    refund_in_dashboard(world, tab, 5000)

    shop.staff.post(verb(tab, "refunds"), {"reason": "It faded."}).ok()

    after = settled(shop, tab)
    assert (after["flags"], after["refund_owed_minor"], after["refunded_minor"]) == ([], 0, 8000)


# Refunds that a person must see to


def failed_refund(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    """Of 80.00, 30.00 are owed back; the customer's bank has sent them back to us."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_refundFail")
    shop.staff.post(verb(tab, "refunds"), {"amount_minor": 3000, "reason": "It faded."}).ok()
    world.move(hours=2)
    tab = shop.owner.get(f"/v1/tabs/{tab['tab_id']}").ok()
    assert [(flag["kind"], flag["amount_minor"]) for flag in tab["flags"]] == [("refund_by_hand", 3000)]
    assert {"retry_refund", "refund_elsewhere"} <= set(tab["allowed_actions"])
    assert "resolve_flag" not in tab["allowed_actions"]
    world.said()
    return dict(tab)


def test_a_failed_refund_is_tried_again_by_the_owner(world: World, shop: Shop, ana: Caller) -> None:
    """Once more, under a key of its own; this one fails, too, and is with a person again."""
    tab = failed_refund(world, shop, ana)

    retried = shop.owner.post(verb(tab, "retry_refund"), key="k")
    assert (retried.ok()["payment"]["operation"], retried.json["payment"]["amount_minor"]) == ("refund", 3000)
    assert shop.owner.post(verb(tab, "retry_refund"), key="k").header("Idempotent-Replayed") == "true"
    assert shop.seen(tab)["flags"] == []

    world.move(hours=2)
    after = shop.seen(tab)
    assert [flag["kind"] for flag in after["flags"]] == ["refund_by_hand"]
    assert "owner: refund_failed" in world.said()


def test_a_failed_refund_is_given_back_elsewhere(world: World, shop: Shop, ana: Caller) -> None:
    """20.00 by transfer and 10.00 in cash, each with its proof: then nothing is owed, and the flag is gone."""
    tab = failed_refund(world, shop, ana)
    path = verb(tab, "refund_elsewhere")
    assert -tab["ledger"]["refund_payable"] == 3000

    by_transfer = {"amount_minor": 2000, "how": "bank_transfer", "reference": "Transfer 4711"}
    part = shop.owner.post(path, by_transfer, key="k").ok()
    assert (part["refund_owed_minor"], part["flags"][0]["amount_minor"]) == (1000, 1000)
    assert shop.owner.post(path, by_transfer, key="k").ok() == part
    shop.owner.post(path, {**by_transfer, "amount_minor": 1001}).problem(422, "invalid_input")
    done = shop.owner.post(path, {"amount_minor": 1000, "how": "cash", "reference": "Receipt 12"}).ok()

    assert (done["refund_owed_minor"], done["flags"], done["refunded_minor"]) == (0, [], 3000)
    assert done["legs"][0]["refunded_elsewhere_minor"] == 3000
    ledger = {account: minor for account, minor in done["ledger"].items() if minor}
    assert ledger == {"stripe_balance": 8000, "service_revenue": -5000, "bank": -2000, "cash": -1000}
    shop.owner.post(path, by_transfer).problem(409, "nothing_to_pay")
    entries = shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()["entries"]
    told = [entry["details"] for entry in entries if entry["kind"] == "refunded_elsewhere"]
    assert [(one["how"], one["reference"]) for one in told] == [
        ("bank_transfer", "Transfer 4711"),
        ("cash", "Receipt 12"),
    ]


def test_a_flag_does_not_hide_a_later_obligation(world: World, shop: Shop, ana: Caller) -> None:
    """Owed back after a refund had failed: the owner hears of the new sum, and the flag says it."""
    tab = failed_refund(world, shop, ana)

    shop.staff.post(verb(tab, "adjust"), {"reduction_minor": 1000, "reason": "Too warm."}).ok()

    after = shop.seen(tab)
    assert [flag["amount_minor"] for flag in after["flags"]] == [4000]
    assert "owner: refund_failed" in world.said()


def hear_of_a_stranger(world: World, refund_id: str) -> None:
    """News of a refund that names the tab of the last payment, and is of a payment that nobody knows."""
    told = [event for event in world.events() if event["type"] == "payment_intent.succeeded"][-1]
    refund = {
        "id": refund_id, "object": "refund", "status": "failed", "failure_reason": "unknown", "amount": 500,
        "currency": "eur", "payment_intent": "pi_stray", "metadata": told["data"]["object"]["metadata"],
    }  # fmt: skip
    event = {**told, "id": f"evt_{refund_id}", "type": "refund.failed", "data": {"object": refund}}
    assert world.webhook(event).ok()["result"] == "handled"


def test_a_flag_is_resolved_with_a_note_and_hides_no_later_one(world: World, shop: Shop, ana: Caller) -> None:
    """The owner has looked: the flag is down, its note in the history. Another finding is another flag."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    hear_of_a_stranger(world, "re_stray1")
    hear_of_a_stranger(world, "re_stray2")
    flagged = shop.owner.get(f"/v1/tabs/{tab['tab_id']}").ok()
    assert [flag["about"] for flag in flagged["flags"]] == ["re_stray1", "re_stray2"]
    path, first = verb(tab, "resolve_flag"), flagged["flags"][0]["flag_id"]
    shop.owner.post(path, {"flag_id": "flg_none", "note": "x"}).problem(404, "not_found")

    body = {"flag_id": first, "note": "A test of the till."}
    after = shop.owner.post(path, body, key="k").ok()

    assert [flag["about"] for flag in after["flags"]] == ["re_stray2"]
    assert shop.owner.post(path, body, key="k").ok() == after
    entries = shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()["entries"]
    assert [entry["details"]["note"] for entry in entries if entry["kind"] == "flag_resolved"] == [body["note"]]
    shop.owner.post(path, {"flag_id": after["flags"][0]["flag_id"], "note": "Seen to."}).ok()
    shop.owner.post(path, body).problem(409, "transition_refused")


def test_words_do_not_settle_what_is_owed_back(world: World, shop: Shop, ana: Caller) -> None:
    """A flag about money that is owed goes when the money has."""
    tab = failed_refund(world, shop, ana)

    body = {"flag_id": tab["flags"][0]["flag_id"], "note": "They don't mind."}
    shop.owner.post(verb(tab, "resolve_flag"), body).problem(409, "transition_refused")


def test_what_was_given_back_past_us_is_not_owed_again(world: World, shop: Shop, ana: Caller) -> None:
    """A bill that is part paid keeps its balance when that part goes back: nothing more is asked for or charged."""
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.move(hours=24)
    shop.complete(tab, 8000)
    part = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    assert (part["payment_state"], part["balance_minor"]) == ("partly_paid", 6000)

    refund_in_dashboard(world, part, 2000)
    world.deliver()

    after = settled(shop, tab)
    assert (after["payment_state"], after["balance_minor"], after["paid_minor"]) == ("owed", 6000, 0)
    assert amounts(paid(shop, ana, tab)) == [("capture", 2000), ("charge", 6000)]
    assert settled(shop, tab)["status"] == "closed"


def test_the_tip_goes_back_after_the_bill(world: World, shop: Shop, ana: Caller) -> None:
    """All of it given back past us, tip and tax too, leaves nothing in the books."""
    tab = shop.open(ana, 11900)
    shop.save_card(ana)
    shop.agree(ana, tab)
    shop.add(tab, 11900, tax_basis_points=1900)
    shop.complete(tab)
    tab = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 500}).ok()

    refund_in_dashboard(world, tab, 12400)
    world.deliver()

    after = settled(shop, tab)
    assert (after["amount_due_minor"], after["tip_minor"], after["tax_minor"]) == (0, 0, 0)
    assert {account: minor for account, minor in after["ledger"].items() if minor} == {}


def test_an_obligation_may_be_met_in_the_dashboard(world: World, shop: Shop, ana: Caller) -> None:
    """Where our own refund has failed, one by hand meets what is owed back and lowers nothing more."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_refundFail")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"amount_minor": 3000, "reason": "It faded."}).ok()
    world.move(days=10)
    assert shop.seen(tab)["refund_owed_minor"] == 3000

    refund_in_dashboard(world, tab, 3000)
    world.deliver()

    after = shop.seen(tab)
    assert (after["refund_owed_minor"], after["amount_due_minor"], after["paid_minor"]) == (0, 5000, 5000)


def test_a_refund_in_the_dashboard_that_fails(world: World, shop: Shop, ana: Caller) -> None:
    """What was to go back and could not is owed back, and a person is told."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_refundFail")
    refund_in_dashboard(world, tab, 3000)
    world.deliver()
    world.said()

    world.move(days=10)

    after = shop.seen(tab)
    assert (after["payment_state"], after["refund_owed_minor"]) == ("refund_owed", 3000)
    assert "owner: refund_failed" in world.said()


@pytest.mark.parametrize("seed", range(4))
def test_a_refund_told_in_any_order(world: World, shop: Shop, ana: Caller, seed: int) -> None:
    """Paid, pending, given back: in any order, and twice, the news gives back and lowers once."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked, "pm_card_pendingRefund")
    world.at_stripe("refunds", {"payment_intent": asked["payment_id"], "amount": "3000"})
    world.control("clock", {"advance_seconds": 24 * 3600})
    told = [event for event in world.events() if event["type"].startswith(("refund.", "payment_intent"))]
    assert len(told) >= 3

    random.Random(seed).shuffle(told)
    for number, event in enumerate(told * 2):
        assert world.webhook({**event, "id": f"evt_{seed}_{number}"}).status == 200

    after = settled(shop, tab)
    assert (after["refunded_minor"], after["amount_due_minor"], after["payment_state"]) == (3000, 5000, "paid")


# Cards


def with_card(shop: Shop, ana: Caller) -> dict[str, Any]:
    """A booking three weeks ahead, its deposit relying on the saved card."""
    tab = booking(shop, ana, hours=21 * 24)
    shop.agree(ana, tab)
    shop.save_card(ana, tab=tab)
    tab = shop.seen(tab)
    assert (tab["deposit"]["state"], tab["card"]["last4"]) == ("card_saved", "4242")
    return tab


def card_id(world: World, shop: Shop, ana: Caller) -> str:
    card = world.deps.store.get_customer(shop.merchant_id, ana.customer_id or "").card
    assert card is not None
    return card.card_id


def test_a_card_detached_at_stripe_is_gone_here(world: World, shop: Shop, ana: Caller) -> None:
    """Detached in the dashboard the card leaves customer and tab, the deposit is wanted again, both sides are told."""
    tab = with_card(shop, ana)
    world.said()

    world.at_stripe(f"payment_methods/{card_id(world, shop, ana)}/detach")
    assert "handled" in world.deliver()

    after = shop.seen(tab)
    assert (after["card"], after["deposit"]["state"]) == (None, "wanted")
    assert after["deposit"]["lapses_at"] is not None
    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] is None
    assert sorted(world.said()) == ["customer: card_removed", "owner: protection_lost"]


@pytest.mark.parametrize("by", ["customer", "staff", "owner"])
def test_a_card_removed_here_is_detached_at_stripe(world: World, shop: Shop, ana: Caller, by: str) -> None:
    """remove_card takes the card off customer, tab and Stripe; the event that follows changes nothing more."""
    tab = with_card(shop, ana)
    card = card_id(world, shop, ana)
    world.said()
    caller = {"customer": ana, "staff": shop.staff, "owner": shop.owner}[by]

    removed = caller.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()

    assert removed["card"] is None
    after = shop.seen(tab)
    assert (after["card"], after["deposit"]["state"]) == (None, "wanted")
    at_stripe = world.http.get(
        f"{world.base}/v1/payment_methods/{card}", headers={"Authorization": "Bearer sk_test_standin"}
    ).json()
    assert at_stripe["customer"] is None
    assert sorted(world.said()) == ["customer: card_removed", "owner: protection_lost"]
    world.deliver()
    assert (shop.seen(tab), world.said()) == (after, [])


def test_removing_a_card_twice_is_removing_it_once(world: World, shop: Shop, ana: Caller) -> None:
    """The same request again, and another one, find nothing to remove and answer the same."""
    with_card(shop, ana)
    path = f"/v1/customers/{ana.customer_id}/remove_card"

    first = ana.post(path, key="k")
    again = ana.post(path, key="k")

    assert (first.ok(), again.header("Idempotent-Replayed")) == (again.ok(), "true")
    assert ana.post(path).ok() == first.json
    ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}, key="k").problem(
        422, "idempotency_key_reused"
    )


def test_a_late_repetition_does_not_remove_the_next_card(world: World, shop: Shop, ana: Caller) -> None:
    """A removal that is repeated after another card was saved leaves that one alone."""
    tab = with_card(shop, ana)
    path = f"/v1/customers/{ana.customer_id}/remove_card"
    ana.post(path, key="k").ok()
    world.deliver()
    shop.save_card(ana, "pm_card_mastercard", tab=tab)

    ana.post(path, key="k").ok()
    world.deliver()

    assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"]["last4"] == "4444"
    assert shop.seen(tab)["card"]["last4"] == "4444"
    assert shop.seen(tab)["deposit"]["state"] == "card_saved"


def test_a_customer_without_a_card_has_none_to_remove(world: World, shop: Shop, ana: Caller) -> None:
    """Nothing saved, nothing asked of Stripe: the answer is the customer as they are."""
    answer = ana.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()

    assert answer == ana.get(f"/v1/customers/{ana.customer_id}").ok()
    assert answer["card"] is None


def test_a_card_kept_from_a_payment_can_be_removed_too(world: World, shop: Shop, ana: Caller) -> None:
    """A card that came with a hold on the phone is charged no more once the customer has removed it."""
    tab = held(shop, ana, booking(shop, ana, hours=24))
    assert tab["card"]["last4"] == "4242"

    ana.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()

    assert shop.seen(tab)["card"] is None
    world.move(hours=24)
    shop.complete(tab, 8000)
    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()
    assert amounts(accepted) == [("capture", 2000)]
    assert [event["type"] for event in world.events()].count("payment_method.detached") == 1


def test_a_gateway_that_is_down_removes_nothing(world: World, shop: Shop, ana: Caller) -> None:
    """While Stripe does not answer the card stays, and the same key removes it later."""
    tab = with_card(shop, ana)
    path = f"/v1/customers/{ana.customer_id}/remove_card"
    world.control("faults", {"kind": "fail_before", "path": "/v1/payment_methods/{}/detach", "status": 503})

    ana.post(path, key="k").problem(503, "unavailable")
    world.http.delete(f"{world.base}/_control/faults")
    assert shop.seen(tab)["card"] is not None

    assert ana.post(path, key="k").ok()["card"] is None
    assert shop.seen(tab)["card"] is None


def test_a_removed_card_is_not_charged(world: World, shop: Shop, ana: Caller) -> None:
    """The customer who removes the card during the review owes the bill, and is not charged at the window's end."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    ana.post(f"/v1/customers/{ana.customer_id}/remove_card").ok()

    world.move(days=2)

    assert (shop.seen(tab)["status"], amounts(shop.seen(tab))) == ("due", [])
    assert amounts(paid(shop, ana, tab)) == [("charge", 8000)]


def replaced(world: World, shop: Shop, ana: Caller, last4: str) -> dict[str, Any]:
    """Stripe's event when a bank replaces a card under the same id; the stand-in does not make it by itself."""
    card = card_id(world, shop, ana)
    method = world.http.get(
        f"{world.base}/v1/payment_methods/{card}", headers={"Authorization": "Bearer sk_test_standin"}
    ).json()
    method["card"] |= {"last4": last4, "brand": "mastercard"}
    return {
        "id": f"evt_replaced_{last4}", "object": "event", "type": "payment_method.automatically_updated",
        "created": int(world.clock.now().timestamp()), "api_version": None, "livemode": False, "pending_webhooks": 1,
        "request": None, "data": {"object": method, "previous_attributes": {"card": {"last4": "4242"}}},
    }  # fmt: skip


def test_a_card_replaced_by_the_bank_keeps_its_protection(world: World, shop: Shop, ana: Caller) -> None:
    """A replaced card has other digits for people, and still secures the deposit; twice, it is news twice."""
    tab = with_card(shop, ana)

    for last4 in ("1111", "2222"):
        assert world.webhook(replaced(world, shop, ana, last4)).ok()["result"] == "handled"
        assert world.webhook(replaced(world, shop, ana, last4)).ok()["result"] == "seen"
        card = {"brand": "mastercard", "last4": last4, "refused": None}
        assert ana.get(f"/v1/customers/{ana.customer_id}").ok()["card"] == card
        assert shop.seen(tab)["card"] == card

    assert shop.seen(tab)["deposit"]["state"] == "card_saved"


def test_a_card_renewed_at_stripe_is_found_by_its_customer(world: World, shop: Shop, ana: Caller) -> None:
    """Stripe's own event of a renewed card carries nothing of ours, and leads to the customer; nothing is lost."""
    tab = with_card(shop, ana)
    world.said()

    world.control("cards/renew", {"payment_method": card_id(world, shop, ana), "exp_year": 2040})

    assert "handled" in world.deliver()
    assert (shop.seen(tab)["card"], shop.seen(tab)["deposit"]) == (tab["card"], tab["deposit"])
    assert world.said() == []


def test_somebody_elses_card_is_left_alone(world: World, shop: Shop, ana: Caller) -> None:
    """A card of a customer that is not ours, in the same account, is ignored."""
    tab = with_card(shop, ana)
    stranger = world.at_stripe("customers")["id"]
    card = world.at_stripe("payment_methods/pm_card_visa/attach", {"customer": stranger})["id"]
    world.deliver()

    world.at_stripe(f"payment_methods/{card}/detach")

    assert set(world.deliver()) == {"ignored"}
    assert shop.seen(tab) == tab


def test_another_card_of_the_customer_that_goes(world: World, shop: Shop, ana: Caller) -> None:
    """A card of hers that is not the saved one is no news for the tab."""
    tab = with_card(shop, ana)
    ref = world.deps.store.get_customer(shop.merchant_id, ana.customer_id or "").customer_ref
    other = world.at_stripe("payment_methods/pm_card_mastercard/attach", {"customer": ref})["id"]
    world.deliver()

    world.at_stripe(f"payment_methods/{other}/detach")
    world.deliver()

    assert shop.seen(tab) == tab
