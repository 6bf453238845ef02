"""The same app on the real DynamoDB adapter, with moto in the process (single-threaded: moto loses races)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.ports.store import TabStore

from .world import Shop, World, amounts, billed, booking, held, paid, settled

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[TabStore]:
    """The table of .chalice/resources.json, as it is deployed; one tab at a time, as moto needs it."""
    monkeypatch.setattr("chalicelib.usecases.tab.advance_tab.CALLS_AT_ONCE", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    resources = json.loads((ROOT / ".chalice" / "resources.json").read_text())["Resources"]
    definition = resources["TabTable"]["Properties"]
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="aftertab-dev",
            **{
                name: definition[name]
                for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
            },
        )
        # One thread: moto's state is not made for more.
        yield DynamoDbStore(client, "aftertab-dev", sweep_threads=1)


def test_a_booking_from_the_card_to_the_books(world: World, shop: Shop) -> None:
    """Deposit, capture, charge, tip and ledger come out on DynamoDB as they do in memory."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    world.move(hours=24)
    shop.complete(tab, 8000)

    accepted = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 500}, key="k")
    again = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 500}, key="k")

    assert amounts(accepted.ok()) == amounts(again.ok()) == [("capture", 2000), ("charge", 6500)]
    assert settled(shop, tab)["status"] == "closed"
    assert [line["tab_id"] for line in shop.staff.get("/v1/tabs?status=closed").ok()["tabs"]] == [tab["tab_id"]]
    assert [line["paid_minor"] for line in ana.get("/v1/tabs").ok()["tabs"]] == [8500]


def test_a_review_that_ends_is_found_by_the_schedule(world: World, shop: Shop) -> None:
    """The due index leads the scheduled run to the review that has ended."""
    ana = shop.customer()
    tab = held(shop, ana, booking(shop, ana, hours=24))
    shop.complete(tab, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/seen").ok()

    world.move(hours=25)

    assert amounts(settled(shop, tab)) == [("capture", 2000), ("charge", 6000)]


def test_a_contested_bill_from_the_reason_to_the_refund(world: World, shop: Shop) -> None:
    """Contest, adjustment, payment and a refund past us come out on DynamoDB as in memory; so does their timeline."""
    ana = shop.customer()
    tab = billed(shop, ana, 8000)
    path = f"/v1/tabs/{tab['tab_id']}"
    ana.post(f"{path}/contest", {"reason": "Too dear.", "contested_minor": 1000}).ok()
    body = {"resolution": "adjust", "reduction_minor": 1000, "reason": "It was."}
    shop.staff.post(f"{path}/resolve", body).ok()
    ana.post(f"{path}/accept_bill", {"rating": 4, "comment": "Fair."}).ok()
    paid(shop, ana, tab)
    leg = shop.seen(tab)["legs"][0]
    world.at_stripe("refunds", {"payment_intent": leg["payment_id"], "amount": "2000"})

    after = settled(shop, tab)
    assert (after["status"], after["amount_due_minor"], after["refunded_minor"]) == ("closed", 5000, 2000)
    assert after["feedback"] == {"rating": 4, "comment": "Fair."}

    entries: list[dict[str, object]] = []
    cursor = ""
    while not entries or cursor:
        page = ana.get(f"{path}/timeline?limit=3{cursor}").ok()
        entries += page["entries"]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    told = [entry["kind"] for entry in entries]
    assert [kind for kind in told if kind in ("contested", "contest_resolved", "refund_granted")] == [
        "contested", "contest_resolved", "refund_granted"
    ]  # fmt: skip


def test_a_card_that_goes_and_a_report(world: World, shop: Shop) -> None:
    """The customer's pointer leads a detached card to its tabs; the report reads holds and dates from the index."""
    ana, bob = shop.customer(), shop.customer("Bob")
    later = booking(shop, ana, hours=21 * 24)
    shop.agree(ana, later)
    shop.save_card(ana, tab=later)
    expected = billed(shop, bob, 5000, card="pm_card_visa")
    expected = bob.post(f"/v1/tabs/{expected['tab_id']}/seen").ok()
    card = world.deps.store.get_customer(shop.merchant_id, ana.customer_id or "").card
    assert card is not None

    world.at_stripe(f"payment_methods/{card.card_id}/detach")
    world.deliver()

    assert (shop.seen(later)["card"], shop.seen(later)["deposit"]["state"]) == (None, "wanted")
    soon = held(shop, ana, booking(shop, ana, hours=24), ["cap", "deposit_and_fees"])
    world.control("clock", {"advance_seconds": 20 * 3600})
    ends_at = soon["holds"][0]["capture_before"]
    found = shop.owner.get("/v1/reports/receivables").ok()
    assert found["expected"] == [{"day": expected["review_ends_at"][:10], "amount_minor": 5000}]
    assert (found["total_minor"], found["ageing"]["not_due"]) == (5000, 5000)
    assert found["expiring_holds"] == []
    world.control("clock", {"advance_seconds": 5 * 24 * 3600})
    (expiring,) = shop.owner.get("/v1/reports/receivables").ok()["expiring_holds"]
    assert (expiring["tab_id"], expiring["held_minor"]) == (soon["tab_id"], 2000)
    assert expiring["capture_before"] == ends_at


def test_refused_requests_store_nothing(world: World, shop: Shop) -> None:
    """Bad input leaves no item behind."""
    tab = shop.open(shop.customer(), 4000)
    client = boto3.client("dynamodb")
    before = client.scan(TableName="aftertab-dev")["Count"]

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", {"items": []}, key="k").problem(422, "invalid_input")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show", key="k").problem(409, "transition_refused")
    shop.staff.get("/v1/tabs?status=open&cursor=x").problem(400, "bad_cursor")
    shop.staff.get("/v1/tabs/tab_nowhere").problem(404, "not_found")

    assert client.scan(TableName="aftertab-dev")["Count"] == before
