"""Timeline, agenda, the owner's report of receivables, limits on unpaid amounts; and what customers do not see."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.news.table import messages_of
from chalicelib.usecases.news.post import deliver

from .world import Caller, Shop, World, billed, booking, held, paid

DAY_S = 24 * 3600


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def timeline(caller: Caller, tab: dict[str, Any], limit: int = 100) -> list[dict[str, Any]]:
    """All of it, page by page."""
    entries: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(100):
        page = caller.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit={limit}{cursor}").ok()
        entries += page["entries"]
        if page["next_cursor"] is None:
            return entries
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the timeline does not end")


# Timelines


def test_a_timeline_tells_the_story_in_order(world: World, shop: Shop, ana: Caller) -> None:
    """From opened to closed: what happened, when, in numbers from 1, and its postings make the ledger."""
    tab = billed(shop, ana, 8000)
    world.move(hours=1)
    paid(shop, ana, tab)

    entries = timeline(shop.staff, tab)

    kinds = [entry["kind"] for entry in entries]
    assert kinds[:4] == ["opened", "promise_accepted", "items_added", "bill_presented"]
    assert [kind for kind in kinds if kind in ("attempt_begun", "charged", "closed")] == [
        "attempt_begun", "charged", "closed"
    ]  # fmt: skip
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    ledger: dict[str, int] = {}
    for posting in (posting for entry in entries for posting in entry["postings"]):
        ledger[posting["account"]] = ledger.get(posting["account"], 0) + posting["amount_minor"]
    assert ledger == shop.seen(tab)["ledger"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_timeline_is_the_same_in_pages_of_any_size(shop: Shop, ana: Caller, limit: int) -> None:
    """Page by page nothing is missing and nothing comes twice, for the business and for the customer."""
    tab = paid(shop, ana, billed(shop, ana, 8000))

    for caller in (shop.staff, ana):
        assert timeline(caller, tab, limit) == timeline(caller, tab)


def test_a_timeline_goes_on_while_it_is_read(shop: Shop, ana: Caller) -> None:
    """What happens after the first page was read is on a later one."""
    tab = billed(shop, ana, 8000)
    path = f"/v1/tabs/{tab['tab_id']}/timeline"
    first = shop.staff.get(f"{path}?limit=2").ok()
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Too dear."}).ok()

    rest = shop.staff.get(f"{path}?cursor={first['next_cursor']}").ok()

    assert rest["entries"][0]["seq"] == 3
    assert rest["entries"][-1]["kind"] == "contested"


def test_a_cursor_leads_on_in_its_own_timeline_only(shop: Shop, ana: Caller) -> None:
    """The cursor of one tab's timeline is refused by another's."""
    one, other = billed(shop, ana, 8000), billed(shop, ana, 8000)
    cursor = shop.staff.get(f"/v1/tabs/{one['tab_id']}/timeline?limit=1").ok()["next_cursor"]

    shop.staff.get(f"/v1/tabs/{other['tab_id']}/timeline?cursor={cursor}").problem(400, "bad_cursor")


def test_customers_do_not_see_the_books_in_the_timeline(world: World, shop: Shop, ana: Caller) -> None:
    """The customer reads what happened, but no posting, nobody else's name, and no note for the business alone."""
    tab = paid(shop, ana, billed(shop, ana, 8000), "pm_card_refundFail")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"amount_minor": 3000, "reason": "It faded."}).ok()
    world.move(days=10)
    assert shop.seen(tab)["flags"]

    theirs, hers = timeline(shop.staff, tab), timeline(ana, tab)

    assert [entry for entry in hers if entry["postings"] is not None] == []
    assert {entry["by"] for entry in hers} == {f"customer-{ana.customer_id}", "aftertab", None}
    assert any(entry["kind"] == "flagged" for entry in theirs)
    hidden = [entry["kind"] for entry in theirs if entry["seq"] not in {seen["seq"] for seen in hers}]
    assert set(hidden) == {"flagged"}
    assert f"staff-{shop.merchant_id}" not in json.dumps(hers)


def test_a_write_offs_reason_is_the_businesss(world: World, shop: Shop, ana: Caller) -> None:
    """Why a bill was given up is between owner and staff; that it was, the customer sees."""
    tab = billed(shop, ana, 8000)
    world.move(hours=25)
    shop.owner.post(f"/v1/tabs/{tab['tab_id']}/write_off", {"reason": "A hopeless case."}).ok()

    (theirs,) = [entry for entry in timeline(shop.staff, tab) if entry["kind"] == "written_off"]
    (hers,) = [entry for entry in timeline(ana, tab) if entry["kind"] == "written_off"]

    assert (theirs["details"]["reason"], theirs["details"]["amount_minor"]) == ("A hopeless case.", 8000)
    assert hers["details"] == {"amount_minor": 8000}


@pytest.mark.parametrize(
    ("card", "code"),
    [("LostCard", "lost_card"), ("StolenCard", "stolen_card")],
)
def test_whoever_holds_the_card_is_not_told_that_it_is_stolen(
    world: World, shop: Shop, ana: Caller, card: str, code: str
) -> None:
    """Some reasons of a decline are for the business: the phone is told of a decline like any other."""
    tab = billed(shop, ana, 8000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked, f"pm_card_chargeDeclined{card}")
    world.deliver()

    theirs, hers = shop.seen(tab)["payment"]["failure"], shop.seen(tab, ana)["payment"]["failure"]

    assert (theirs["code"], theirs["decline_code"]) == ("card_declined", code)
    assert hers == {"code": "card_declined", "decline_code": "generic_decline", "advice": None}
    assert code not in json.dumps(timeline(ana, tab))


def test_a_saved_card_that_was_stolen_is_told_to_the_business_only(world: World, shop: Shop, ana: Caller) -> None:
    """In the timeline, too, the customer reads of a decline, the business why."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    card = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).card
    assert card is not None
    world.control("cards", {"payment_method": card.card_id, "decline": "stolen_card"})

    answer = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    assert answer["payment"]["failure"]["decline_code"] == "generic_decline"
    assert "stolen_card" in json.dumps(timeline(shop.staff, tab))
    assert "stolen_card" not in json.dumps(timeline(ana, tab))
    assert "do_not_try_again" not in json.dumps(timeline(ana, tab))


# What was told


def told_about(caller: Caller, tab: dict[str, Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Entry kind → what was told because of it: to whom, on which channel, what became of it, and why."""
    return {
        entry["kind"]: [(told["to"], told["channel"], told["state"], told["reason"]) for told in entry["told"]]
        for entry in timeline(caller, tab)
        if entry["told"]
    }


def send_all(world: World, shop: Shop, tab: dict[str, Any]) -> None:
    """Deliver everything that follows from the tab's entries, as the relay and the queue do."""
    customer_id = shop.seen(tab)["customer_id"]
    page = world.deps.store.list_entries(shop.merchant_id, tab["tab_id"], limit=1000, cursor=None)
    for entry in page.items:
        for message in messages_of(shop.merchant_id, customer_id, tab["tab_id"], entry):
            deliver(world.deps, message)


def test_a_timeline_shows_what_was_said_and_deliberately_not_said(world: World, shop: Shop, ana: Caller) -> None:
    """Beside the entry that it follows from, to the business; to customers what was for them, and no address."""
    shop.owner.put("/v1/merchant/contact", {"notify_email": "olga@example.com"}).ok()
    ana.put(f"/v1/customers/{ana.customer_id}/contact", {"email": "ana@example.com"}).ok()
    tab = billed(shop, ana, 8000)
    send_all(world, shop, tab)
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Too short."}).ok()
    send_all(world, shop, tab)
    nobody = billed(shop, shop.customer(), 8000)
    send_all(world, shop, nobody)

    assert told_about(shop.staff, tab) == {
        "bill_presented": [("customer", "email", "handed_over", None)],
        "contested": [("owner", "email", "handed_over", None)],
    }
    assert told_about(ana, tab) == {"bill_presented": [("customer", "email", "handed_over", None)]}
    assert told_about(shop.staff, nobody) == {"bill_presented": [("customer", None, "suppressed", "no_address")]}
    assert "@" not in json.dumps(timeline(shop.owner, tab))


def test_a_guest_is_not_told_how_the_customer_is_reached(world: World, shop: Shop, ana: Caller) -> None:
    """Whoever pays for somebody else; a link that stands for the customer shows it."""
    tab = billed(shop, ana, 8000)
    send_all(world, shop, tab)

    for scope, sees in (("pay", False), ("view", False), ("full", True)):
        guest = shop.link(tab, scope)
        assert bool(told_about(guest, tab)) is sees, scope


# Agendas


def test_an_agenda_says_what_comes_next_and_why(world: World, shop: Shop, ana: Caller) -> None:
    """Everything pending, the next first, each with a stable word, an instant and a reason to read."""
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)

    pending = ana.get(f"/v1/tabs/{tab['tab_id']}/agenda").ok()["pending"]

    assert [step["what"] for step in pending] == ["end_review", "hold_clock"]
    assert [step["why"] for step in pending] == ["the review window ends", "the hold is about to expire"]
    assert pending[0]["at"] == shop.seen(tab)["review_ends_at"]
    following = shop.seen(tab)["next_action"]
    assert pending[0] == {"what": following.pop("code"), **following}
    assert [step["at"] for step in pending] == sorted(step["at"] for step in pending)


def test_a_closed_tab_has_nothing_ahead(world: World, shop: Shop, ana: Caller) -> None:
    """Once the receipt is sent nothing is pending."""
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.sweep()

    assert shop.staff.get(f"/v1/tabs/{tab['tab_id']}/agenda").ok() == {"pending": []}


def test_the_agenda_of_an_unpaid_bill_has_reminder_and_retry(world: World) -> None:
    """After a decline the next reminder and the next try are both there, at the policy's distances."""
    shop = world.shop(reminder_offsets_s=[DAY_S], retry_offsets_s=[2 * DAY_S], quiet_from_hour=0, quiet_until_hour=0)
    ana = shop.customer()
    tab = billed(shop, ana, 8000, card="pm_card_chargeCustomerFail")
    card = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).card
    assert card is not None
    world.control("cards", {"payment_method": card.card_id, "decline": "insufficient_funds"})

    world.move(hours=24)

    pending = shop.owner.get(f"/v1/tabs/{tab['tab_id']}/agenda").ok()["pending"]
    due_at = datetime.fromisoformat(shop.seen(tab)["due_at"])
    assert [(step["what"], datetime.fromisoformat(step["at"]) - due_at) for step in pending] == [
        ("remind", timedelta(days=1)),
        ("retry_charge", timedelta(days=2)),
    ]


# Reports


def report(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = shop.owner.get("/v1/reports/receivables").ok()
    return found


def test_a_report_of_nothing(shop: Shop) -> None:
    """A merchant without tabs has a report of zeros."""
    found = report(shop)

    assert (found["currency"], found["total_minor"], found["is_complete"]) == ("EUR", 0, True)
    assert set(found["ageing"].values()) == {0}
    assert (found["expected"], found["expiring_holds"], found["exposure"]) == ([], [], [])


def test_a_merchant_that_is_not_there_has_no_report(world: World) -> None:
    """A good token of a merchant nobody knows is a 404."""
    nobody = world.caller("owner", merchant_id="mer_nowhere")

    nobody.get("/v1/reports/receivables").problem(404, "not_found")
    nobody.get("/v1/merchant").problem(404, "not_found")


def test_receivables_by_age(world: World) -> None:
    """What is owed stands under its age in days since it fell due; what was paid or is closed is not in it."""
    shop = world.shop(reminder_offsets_s=[])
    ana, bob = shop.customer(), shop.customer("Bob")
    ages = {91: 100, 90: 200, 30: 400, 8: 800, 7: 1600, 0: 3200}
    for before, amount in ages.items():
        later = [age for age in ages if age < before]
        billed(shop, ana if amount < 1000 else bob, amount)
        if before:
            # The window of a day ends, and then it is due.
            world.move(days=1)
            world.move(days=before - max(later) - 1)
    billed(shop, ana, 6400)
    paid(shop, bob, billed(shop, bob, 9900))
    world.move(hours=23)

    # Each has aged by what came after it, less its window of a day, plus 23 hours: 91 days ago is 90 days old.
    found = report(shop)

    assert found["ageing"] == {
        "not_due": 3200 + 6400,
        "up_to_7_days": 1600 + 800,
        "8_to_30_days": 400,
        "31_to_90_days": 200 + 100,
        "over_90_days": 0,
    }
    assert found["total_minor"] == sum(ages.values()) + 6400
    assert found["exposure"] == [
        {"customer_id": ana.customer_id, "amount_minor": 100 + 200 + 400 + 800 + 6400},
        {"customer_id": bob.customer_id, "amount_minor": 1600 + 3200},
    ]
    world.move(days=2)
    assert report(shop)["ageing"]["over_90_days"] == 100 + 200


def test_receipts_that_are_expected(world: World, shop: Shop, ana: Caller) -> None:
    """Who agreed to be charged after the window is expected to pay on that day; who did not is on no day."""
    tab = billed(shop, ana, 8000, card="pm_card_visa")
    billed(shop, shop.customer("Bob"), 5000)
    third = billed(shop, ana, 700, card=None)

    assert report(shop)["expected"] == [{"day": tab["review_ends_at"][:10], "amount_minor": 8000}]
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Too dear."}).ok()
    assert report(shop)["expected"] == []
    assert third["status"] == "in_review"


def test_holds_that_expire_soon(world: World, shop: Shop, ana: Caller) -> None:
    """A hold is in the report from 48 hours before it ends, and no more once it is released."""
    tab = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    (hold,) = tab["holds"]
    expires_in = datetime.fromisoformat(hold["capture_before"]) - world.clock.now()
    assert report(shop)["expiring_holds"] == []
    world.control("clock", {"advance_seconds": int(expires_in.total_seconds()) - 47 * 3600})

    assert report(shop)["expiring_holds"] == [
        {
            "tab_id": tab["tab_id"],
            "customer_id": ana.customer_id,
            "held_minor": 2000,
            "capture_before": hold["capture_before"],
        }
    ]
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/cancel").ok()
    assert report(shop)["expiring_holds"] == []


def test_a_report_is_the_merchants_own(world: World, shop: Shop, ana: Caller) -> None:
    """Another merchant's bills are in nobody else's report."""
    billed(shop, ana, 8000)

    assert report(world.shop())["total_minor"] == 0
    assert report(shop)["total_minor"] == 8000


def test_a_report_that_is_cut_off_says_so(shop: Shop, ana: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more tabs than one report reads, it says that it is not complete."""
    from chalicelib.usecases.books import receivables

    monkeypatch.setattr(receivables, "MOST_TABS", 2)
    for _ in range(3):
        billed(shop, ana, 1000)

    assert (report(shop)["is_complete"], report(shop)["total_minor"]) == (False, 2000)


# Limits


def test_a_customer_may_owe_so_much_at_once(world: World) -> None:
    """Beyond the limit per customer nothing is opened or added, until something is paid; others are not concerned."""
    shop = world.shop(exposure_per_customer_minor=10_000)
    ana, bob = shop.customer(), shop.customer("Bob")
    first = billed(shop, ana, 8000)
    body = {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 2001}

    refused = shop.staff.post("/v1/tabs", body).problem(409, "exposure_exceeded")
    assert (refused["limit_minor"], refused["unpaid_minor"]) == (10_000, 8000)
    assert "EUR 100.00" in refused["detail"]
    second = shop.staff.post("/v1/tabs", {**body, "estimate_minor": 2000, "cap_minor": 9000}).ok(201)
    line = {"items": [{"description": "Work", "unit_price_minor": 2001}]}
    before = shop.seen(second)
    shop.staff.post(f"/v1/tabs/{second['tab_id']}/items", line).problem(409, "exposure_exceeded")
    assert shop.seen(second) == before
    shop.open(bob, 9000)

    paid(shop, ana, first)
    assert shop.staff.post(f"/v1/tabs/{second['tab_id']}/items", line).ok()["total_minor"] == 2001


def test_a_merchant_may_be_owed_so_much_at_once(world: World) -> None:
    """The limit per merchant counts all customers together."""
    shop = world.shop(exposure_per_merchant_minor=10_000)
    billed(shop, shop.customer(), 8000)
    bob = shop.customer("Bob")

    body = {"customer_id": bob.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 2001}
    shop.staff.post("/v1/tabs", body).problem(409, "exposure_exceeded")

    assert shop.staff.post("/v1/tabs", {**body, "estimate_minor": 2000}).status == 201


def test_a_refused_opening_leaves_its_key_unused(world: World) -> None:
    """Refused for the limit, the same key opens the tab once there is room."""
    shop = world.shop(exposure_per_customer_minor=10_000)
    ana = shop.customer()
    first = billed(shop, ana, 8000)
    body = {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 5000}
    shop.staff.post("/v1/tabs", body, key="k").problem(409, "exposure_exceeded")

    paid(shop, ana, first)

    assert shop.staff.post("/v1/tabs", body, key="k").status == 201


# Policies


def test_a_policy_says_how_bills_are_followed_up(shop: Shop) -> None:
    """Every field of the policy that was set is what is answered, now and later; the rest has its default."""
    wanted = {
        "contest_deadline_s": 3 * DAY_S,
        "contest_default_after_s": DAY_S,
        "reminder_offsets_s": [DAY_S, 2 * DAY_S],
        "retry_offsets_s": [],
        "time_zone": "Europe/Lisbon",
        "quiet_from_hour": 20,
        "quiet_until_hour": 9,
        "exposure_per_customer_minor": 50_000,
        "exposure_per_merchant_minor": 2_000_000,
    }

    changed = shop.owner.put("/v1/merchant/policy", wanted).ok()["merchant"]["policy"]

    assert {name: changed[name] for name in wanted} == wanted
    assert shop.staff.get("/v1/merchant").ok()["policy"] == changed
    assert changed["review_window_s"] == DAY_S


def test_a_policy_does_not_change_what_is_under_way(world: World, shop: Shop, ana: Caller) -> None:
    """A tab keeps the deadline that stood when it was opened."""
    tab = billed(shop, ana, 8000)
    shop.owner.put("/v1/merchant/policy", {"contest_deadline_s": 0}).ok()

    contest = ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Too dear."}).ok()["contest"]

    gone = datetime.fromisoformat(contest["deadline_at"]) - datetime.fromisoformat(contest["contested_at"])
    assert gone == timedelta(days=7)
