"""Reads on DynamoDB that do not grow with how many share a card or a device, or with how often a customer was there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.adapters.dynamodb import items
from chalicelib.adapters.dynamodb import visits as dynamodb_visits
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.domain.trust.credits import Mark
from chalicelib.domain.trust.names import MOST_NAMES
from chalicelib.domain.trust.visit import Visit
from chalicelib.usecases.trust.names import link_by_card
from tests.contract.store_kit import MERCHANT, NOW, TABLE, customer, moto_store
from tests.costs.meter import Meter, MeteredClient, Usage
from tests.visits import visits_beside


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def store(meter: Meter) -> Iterator[DynamoDbStore]:
    """On moto, with every request counted."""
    with moto_store() as plain:
        client: Any = MeteredClient(plain._client, meter)
        yield DynamoDbStore(client, TABLE, sleep=lambda seconds: None)


def test_linking_a_shared_card_costs_its_next_name_what_it_costs_any(store: DynamoDbStore, meter: Meter) -> None:
    """A company's card, or a test card: however many have used it, one read of all others and one write."""
    deps: Any = SimpleNamespace(store=store, visits=visits_beside(store))

    def visit(number: int) -> Usage:
        with meter.counting() as usage:
            link_by_card(deps, MERCHANT, f"cus_{number:02}", "fp_1")
        return usage

    first, again = [], []
    for number in range(MOST_NAMES + 3):
        store._client.put_item(TableName=TABLE, Item=items.customer_item(customer(f"cus_{number:02}")))
        first.append(visit(number))
        again.append(visit(number))

    noted = Counter(BatchGetItem=1, PutItem=2, Query=1)
    others_and_customer = Counter(BatchGetItem=1, TransactWriteItems=1)
    assert first[0].requests == noted, "a card of one's own"
    assert first[MOST_NAMES].requests == noted + others_and_customer + Counter(TransactWriteItems=MOST_NAMES), (
        "the last whom the dozen remembers"
    )
    assert first[MOST_NAMES + 1].requests == first[MOST_NAMES + 2].requests == noted + others_and_customer
    assert {usage.dynamodb for usage in again} == {1} and {usage.wcu for usage in again} == {0}


def test_a_mark_of_hundreds_is_as_cheap_as_that_of_two(store: DynamoDbStore, meter: Meter) -> None:
    """A card, of which two rows decide; and a device, of which only those of who has invited do."""
    for number in range(300):
        store._client.put_item(TableName=TABLE, Item=items.mark_item(Mark(MERCHANT, "ab" * 32, f"cus_{number}")))
    mine = Mark(MERCHANT, "ab" * 32, "cus_new")

    with meter.counting() as card:
        assert store.is_shared(mine, None)
    with meter.counting() as device:
        assert not store.is_shared(mine, {"cus_ada", "cus_eve"})

    assert (card.requests, card.rcu) == (Counter(Query=1), 1)
    assert (device.requests, device.rcu) == (Counter(BatchGetItem=1), 2)


def test_visits_that_are_too_old_are_not_read(
    store: DynamoDbStore, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many years a customer has been coming: the newest first, until a whole page is too old."""
    monkeypatch.setattr(dynamodb_visits, "VISITS_A_PAGE", 2)
    visits = visits_beside(store)
    days_ago = [900, 899, 898, 897, 896, 9, 800, 3, 1]
    for number, days in enumerate(days_ago):
        opened_at = NOW - timedelta(days=days)
        visits.put_visit(
            Visit(tab_id=f"tab_{number}", merchant_id=MERCHANT, customer_id="cus_a", opened_at=opened_at), None
        )

    with meter.counting() as usage:
        found = visits.list_visits_by_customer(MERCHANT, "cus_a", NOW - timedelta(days=10))

    assert [visit.tab_id for visit in found] == ["tab_5", "tab_7", "tab_8"]
    assert usage.requests == Counter(Query=3), "8 and 7; 6 and 5; 4 and 3 are too old"
