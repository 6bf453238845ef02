"""The same app on the real DynamoDB adapter, with moto in the process (single-threaded: moto loses races)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb_store import DynamoDbStore
from chalicelib.ports import TabStore

from .world import Shop, World, amounts, booking, held, settled

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[TabStore]:
    """The table of .chalice/resources.json, as it is deployed."""
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

    world.move(hours=25)

    assert amounts(settled(shop, tab)) == [("capture", 2000), ("charge", 6000)]


def test_refused_requests_store_nothing(world: World, shop: Shop) -> None:
    """Bad input leaves no item behind."""
    tab = shop.open(shop.customer(), 4000)
    client = boto3.client("dynamodb")
    before = client.scan(TableName="aftertab-dev")["Count"]

    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", {"items": []}, key="k").problem(422, "invalid_input")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show", key="k").problem(409, "transition_refused")
    shop.staff.get("/v1/tabs?status=open&cursor=x").problem(422, "invalid_input")
    shop.staff.get("/v1/tabs/tab_nowhere").problem(404, "not_found")

    assert client.scan(TableName="aftertab-dev")["Count"] == before
