"""What was promised holds: further consents, what a promise needs, whose word it is, and what cancelling costs."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import pytest

from .world import CARD_TERMS, EVERYTHING, Caller, Reply, Shop, World, amounts, booking, held, settled

Tab = dict[str, Any]
FEES = ["cap", "deposit_and_fees"]


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def propose(shop: Shop, tab: Tab, cap_minor: int) -> Tab:
    proposed: Tab = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/propose_promise", {"cap_minor": cap_minor}).ok()
    return proposed


def accept_in_person(shop: Shop, promise: Tab, tab: Tab) -> Reply:
    body = {"promise_sha256": promise["promise_sha256"], "consents": FEES}
    return shop.staff.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body)


def entries(caller: Caller, tab: Tab, kind: str) -> list[Tab]:
    timeline = caller.get(f"/v1/tabs/{tab['tab_id']}/timeline").ok()["entries"]
    return [entry["details"] for entry in timeline if entry["kind"] == kind]


# Consents


def test_further_consents_are_recorded_and_count(world: World, shop: Shop, ana: Caller) -> None:
    """Accepted without a card; then with one, and with automatic charges: charged when the review ends."""
    shop.save_card(ana)
    tab = shop.open(ana, 4000)
    assert shop.agree(ana, tab, ["cap"])["promise"]["accepted"]["consents"] == ["cap"]
    world.move(minutes=5)

    added = shop.agree(ana, tab, ["automatic_charge", "card_on_file"])

    assert added["promise"]["accepted"]["consents"] == ["automatic_charge", "cap", "card_on_file"]
    assert added["card"] is not None
    assert [details["consents"] for details in entries(shop.staff, tab, "consents_added")] == [
        ["automatic_charge", "card_on_file"]
    ]
    shop.complete(tab, 4000)
    world.move(hours=24)
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_consents_that_are_given_already_are_refused_not_dropped(shop: Shop, ana: Caller) -> None:
    """There is nothing to record, and the answer says so."""
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab, ["cap"])
    body = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]}

    refused = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body).problem(422, "invalid_input")

    assert refused["consents"] == ["cap"]


def test_everything_can_be_consented_to_once(shop: Shop, ana: Caller) -> None:
    """Then accepting is no step any more."""
    tab = shop.open(ana, 4000)

    assert "accept_promise" not in shop.agree(ana, tab, EVERYTHING)["allowed_actions"]


def test_a_deposit_three_weeks_ahead_needs_a_card_and_says_so(world: World, shop: Shop, ana: Caller) -> None:
    """In the promise, at the acceptance, and as the step that comes next, with all that it takes."""
    tab = booking(shop, ana, hours=21 * 24)
    assert tab["promise"]["needs"] == [*FEES, "card_on_file"]
    without = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": FEES}

    refused = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", without).problem(422, "invalid_input")

    assert refused["missing"] == ["card_on_file"]
    tab = shop.agree(ana, tab, tab["promise"]["needs"])
    assert "save_card" in tab["allowed_actions"]
    assert tab["needs"] == [
        {
            "action": "save_card",
            "why": "the deposit is held on this card shortly before the service; saving it charges nothing",
            "request": f"POST /v1/customers/{ana.customer_id}/setup_intent",
            "fields": ["tab_id", "card_terms_sha256"],
            "consents": ["card_on_file"],
            "until": tab["deposit"]["lapses_at"],
        }
    ]
    method, path = tab["needs"][0]["request"].split()
    taken = {"tab_id": tab["tab_id"], "card_terms_sha256": CARD_TERMS}
    setup = ana.send(method, path, {name: taken[name] for name in tab["needs"][0]["fields"]}).ok(201)
    world.confirm_setup(setup)
    world.deliver()
    assert (shop.seen(tab)["deposit"]["state"], shop.seen(tab)["needs"]) == ("card_saved", [])


def test_what_staff_recorded_is_completed_by_the_customer(shop: Shop, ana: Caller) -> None:
    """In person nobody can consent to a kept card: the customer adds that, and then saves one."""
    tab = booking(shop, ana, hours=21 * 24)
    tab = accept_in_person(shop, tab["promise"], tab).ok()
    assert [need["action"] for need in tab["needs"]] == ["accept_promise", "save_card"]
    assert tab["needs"][0]["fields"] == ["promise_sha256", "consents", "card_terms_sha256"]

    tab = shop.agree(ana, tab, tab["needs"][0]["consents"])

    assert [need["action"] for need in tab["needs"]] == ["save_card"]


def test_a_card_is_not_saved_for_a_tab_that_does_not_consent_to_it(shop: Shop, ana: Caller) -> None:
    """It is not offered, and refused with the consent that is missing."""
    tab = shop.open(ana, 4000)
    assert "save_card" not in shop.agree(ana, tab, ["cap"])["allowed_actions"]

    body = {"card_terms_sha256": CARD_TERMS, "tab_id": tab["tab_id"]}
    refused = ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", body)

    assert refused.problem(409, "consent_missing")["consent"] == "card_on_file"


# Whose word it is


def test_staff_can_not_raise_what_the_customer_sealed(shop: Shop, ana: Caller) -> None:
    """80.00 stands until Ana herself agrees to 300.00; both texts stay, each under its hash, for her eyes, too."""
    tab = shop.open(ana, 8000)
    first = shop.agree(ana, tab, ["cap"])["promise"]
    proposed = propose(shop, tab, 30000)
    assert "accept_promise" not in proposed["allowed_actions"]

    accept_in_person(shop, proposed["proposed_promise"], tab).problem(403, "forbidden")

    assert shop.seen(tab)["promise"] == first
    raised = shop.agree(ana, proposed, ["cap"])["promise"]
    assert raised["cap_minor"] == 30000
    sealed = entries(ana, tab, "promise_accepted")
    assert [json.loads(details["text"])["cap_minor"] for details in sealed] == [8000, 30000]
    assert [hashlib.sha256(details["text"].encode()).hexdigest() for details in sealed] == [
        first["promise_sha256"],
        raised["promise_sha256"],
    ]


def test_staff_record_more_where_all_was_recorded_by_them(shop: Shop, ana: Caller) -> None:
    """A guest without a phone."""
    tab = shop.open(ana, 8000)
    accept_in_person(shop, tab["promise"], tab).ok()
    proposed = propose(shop, tab, 30000)

    raised = accept_in_person(shop, proposed["proposed_promise"], tab).ok()

    assert (raised["promise"]["cap_minor"], raised["promise"]["accepted"]["method"]) == (30000, "in_person")


# Cancelling


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(("minutes", "fee_minor"), [(59, 0), (61, 1000)])
def test_a_booking_past_its_cut_off_is_free_for_an_hour(
    world: World, shop: Shop, ana: Caller, minutes: int, fee_minor: int
) -> None:
    """The instant is in the promise from the acceptance on."""
    tab = held(shop, ana, booking(shop, ana, hours=24), FEES)
    (sealed,) = entries(ana, tab, "promise_accepted")
    accepted_at = instant(tab["promise"]["accepted"]["accepted_at"])
    assert (instant(sealed["free_cancel_until"]) - accepted_at).total_seconds() == 3600
    assert instant(tab["promise"]["free_cancel_until"]) == instant(sealed["free_cancel_until"])
    world.move(minutes=minutes)

    canceled = ana.post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()

    fee = canceled["fee"]
    assert (fee and (fee["kind"], fee["amount_minor"])) == (("late_cancel", fee_minor) if fee_minor else None)
    assert settled(shop, tab)["paid_minor"] == fee_minor


def test_before_it_is_accepted_the_promise_says_what_accepting_would_make_of_it(
    world: World, shop: Shop, ana: Caller
) -> None:
    """Never an instant that has passed."""
    tab = booking(shop, ana, hours=24)
    world.move(hours=2)

    assert instant(shop.seen(tab)["promise"]["free_cancel_until"]) > world.clock.now()
    assert shop.seen(tab)["promise"]["promise_sha256"] == tab["promise"]["promise_sha256"]


def test_what_is_proposed_begins_no_other_hour(world: World, shop: Shop, ana: Caller) -> None:
    """It says so before it is accepted, and after."""
    tab = shop.agree(ana, booking(shop, ana, hours=24), FEES)
    world.move(hours=2)

    proposed = propose(shop, tab, 30000)

    until = tab["promise"]["free_cancel_until"]
    assert proposed["proposed_promise"]["free_cancel_until"] == until
    assert shop.agree(ana, proposed, FEES)["promise"]["free_cancel_until"] == until


def test_after_check_in_the_customer_can_not_cancel(shop: Shop, ana: Caller) -> None:
    """Two hours of work are done and not keyed in: the hold stays."""
    tab = held(shop, ana, booking(shop, ana, hours=2), FEES)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()
    assert "cancel" not in shop.seen(tab, ana)["allowed_actions"]

    ana.post(f"/v1/tabs/{tab['tab_id']}/cancel", {"reason": "I have to go."}).problem(409, "transition_refused")

    assert [hold["state"] for hold in shop.seen(tab)["holds"]] == ["live"]
    assert shop.staff.post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()["fee"] is None


def test_cancelling_for_nothing_is_no_way_round_the_no_show_fee(world: World, shop: Shop, ana: Caller) -> None:
    """Without a late-cancel fee it is free until the start, as the promise says, and not a second longer."""
    tab = held(shop, ana, booking(shop, ana, hours=24, late_cancel_fee_minor=0), FEES)
    assert tab["promise"]["free_cancel_until"] == tab["starts_at"]
    world.move(hours=24, minutes=1)

    canceled = ana.post(f"/v1/tabs/{tab['tab_id']}/cancel", {"reason": "Sorry!"}).ok()

    assert (canceled["fee"]["kind"], canceled["fee"]["amount_minor"]) == ("no_show", 1500)
