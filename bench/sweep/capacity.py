"""What a sweep asks of DynamoDB for 1,000 due tabs, among 10,000 tabs and among 200,000.

The table is ministack's; requests are counted on their way there. Capacity units are computed from the sizes of what
was read and written, by AWS's published rules (tests/costs/meter.py), because the emulator does not tell them.
Every tab has its next action ahead, so all of them are in the due index: the worst case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import boto3
import msgspec
import urllib3
from msgspec.structs import replace

from chalicelib.adapters.dynamodb import items
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.queues import QueueName
from chalicelib.usecases.tab.advance_tab import sweep, work
from devstack import dynamodb_table
from tests.costs.meter import Meter, MeteredClient, Usage
from tests.usecases.shop import WITHOUT_CARD, Shop

DUE, FEW, MANY = 1_000, 10_000, 200_000
TABLE = "bench-sweep-capacity"
PUT_AT_ONCE = 25


def measure(endpoint: str) -> tuple[Usage, Usage]:
    """The usage of a sweep and its workers for DUE tabs among FEW, and then for as many among MANY."""
    client: Any = boto3.client("dynamodb", endpoint_url=endpoint, region_name="eu-west-1")
    dynamodb_table.create_with(client, TABLE)
    shop = Shop()
    shop.open(*WITHOUT_CARD).serve(50_00)
    tab = shop.tab
    assert tab.next_action_at is not None
    shop.clock.instant = tab.next_action_at
    later = replace(tab, next_action_at=tab.next_action_at + timedelta(days=30))
    meter = Meter()
    metered: Any = MeteredClient(dynamodb_client(endpoint, "eu-west-1"), meter)
    deps = replace(shop.deps, store=DynamoDbStore(metered, TABLE))

    def swept(name: str) -> Usage:
        due = [replace(tab, tab_id=f"tab_{name}{number:020}") for number in range(DUE)]
        put(endpoint, due)
        # The meter has to know what the worker will replace.
        metered._items |= {(item["pk"]["S"], item["sk"]["S"]): item for item in map(items.tab_item, due)}
        shop.queues.waiting[QueueName.DUE].clear()
        with meter.counting() as usage:
            assert sweep(deps).due == DUE
            while batch := shop.queues.take(QueueName.DUE):
                assert work(deps, [waiting.job.body for waiting in batch]) == []
        return usage

    put(endpoint, (replace(later, tab_id=f"tab_few{number:020}") for number in range(FEW - DUE)))
    few = swept("first")
    put(endpoint, (replace(later, tab_id=f"tab_many{number:020}") for number in range(MANY - FEW - DUE)))
    return few, swept("second")


def put(endpoint: str, tabs: Iterable[Tab]) -> None:
    """Write tabs as the store's own encoder makes them, past the SDK, which would take most of the time."""
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=not-checked",
    }
    encode = msgspec.json.Encoder().encode
    waiting: list[Any] = []
    with urllib3.PoolManager() as http:

        def send() -> None:
            body = encode({"RequestItems": {TABLE: waiting}})
            answer = http.request("POST", endpoint, body=body, headers=headers)
            assert answer.status == 200, answer.data
            waiting.clear()

        for tab in tabs:
            waiting.append({"PutRequest": {"Item": items.tab_item(tab)}})
            if len(waiting) == PUT_AT_ONCE:
                send()
        if waiting:
            send()


def total(usage: Usage) -> tuple[int, float]:
    """Requests to DynamoDB, and capacity units, read and written."""
    return usage.dynamodb + usage.schedule, usage.rcu + usage.schedule_rcu + usage.wcu


def told(usage: Usage) -> str:
    counts = Counter(usage.requests) + Counter(Query=usage.schedule)
    asked = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{asked}; {usage.rcu + usage.schedule_rcu:g} read units, {usage.wcu:g} write units"
