"""A payment that races a reminder, on the emulator: nobody who has paid is reminded, as the order of writes shows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb.items import tab_item
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.domain.contact import Contact
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.tab.tab import Tab
from chalicelib.usecases.news.post import NotNow, deliver
from chalicelib.usecases.tab.payment import take_cash
from devstack import dynamodb_table, local_queues, ministack
from tests.contract.store_kit import REGION, TABLE
from tests.usecases.shop import NOON, WITHOUT_CARD, Shop

pytestmark = pytest.mark.ministack

RACES = 200
OWED = 50_00


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ministack.start() as aws:
        dynamodb_table.create(aws.endpoint_url, TABLE, region=REGION)
        made = Shop(store=DynamoDbStore(dynamodb_client(aws.endpoint_url, REGION), TABLE))
        # What is told here, the test delivers itself.
        made.pump.rests = True
        contact = Contact(
            merchant_id=made.merchant_id, customer_id=made.customer_id, email="ada@example.com", updated_at=NOON
        )
        made.deps.people.put_contact(contact, None)
        made.url = aws.endpoint_url  # type: ignore[attr-defined]
        yield made


def reminder(shop: Shop) -> Message:
    return Message(
        message_id=f"{shop.tab_id}.00000099.reminder.customer",
        kind=MessageKind.REMINDER,
        to=Recipient.CUSTOMER,
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        tab_id=shop.tab_id,
        seq=99,
        at=shop.clock.now(),
        values={"number": 1, "payable": "now"},
    )


class Deciding:
    """The deliveries, but for the first write, which is the claim: there both meet at `together`."""

    def __init__(self, deliveries: Any, together: Barrier) -> None:
        self._deliveries, self._together = deliveries, together
        self._has_met = False

    def __getattr__(self, name: str) -> Any:
        if name == "put" and not self._has_met:
            self._has_met = True
            self._together.wait(30)
        return getattr(self._deliveries, name)


def owing(shop: Shop, tab: Tab) -> None:
    """The shop's next tab: written as this one is, which has come to its bill once for all of them."""
    shop.tab_id = shop.deps.ids.new("tab")
    shop.store._client.put_item(TableName=TABLE, Item=tab_item(replace(tab, tab_id=shop.tab_id)))


def race(shop: Shop, *, is_decided: bool) -> None:
    """The customer pays in cash while the post delivers the reminder: from its beginning, or from where it is decided.

    A payment writes sooner than a reminder that has everything to read yet, the more so on a busy machine; one that is
    decided on has only its claim to write.
    """
    message, together = reminder(shop), Barrier(2)
    deps = replace(shop.deps, deliveries=Deciding(shop.deps.deliveries, together)) if is_decided else shop.deps

    def pay() -> None:
        together.wait(30)
        take_cash(shop.deps, shop.tab_id, OWED, request=shop.request(shop.staff))

    def remind() -> None:
        if not is_decided:
            together.wait(30)
        # The queue would bring it again.
        with suppress(NotNow):
            deliver(deps, message)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(pay), pool.submit(remind)]:
            done.result()


def written(shop: Shop) -> list[tuple[str, str]]:
    """(tab, what) in the order in which the emulator wrote it: `paid` and `claimed`."""
    streams = local_queues.client("dynamodbstreams", shop.url, REGION)  # type: ignore[attr-defined]
    arn = streams.list_streams(TableName=TABLE)["Streams"][0]["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    found: list[tuple[str, str]] = []
    while records := (page := streams.get_records(ShardIterator=iterator))["Records"]:
        found += [fact for record in records if (fact := _fact(record["dynamodb"]["NewImage"])) is not None]
        iterator = page["NextShardIterator"]
    return found


def _fact(item: dict[str, Any]) -> tuple[str, str] | None:
    kind, _, tab_id = item["pk"]["S"].rpartition("#")
    if not kind.startswith("TAB#"):
        return None
    data = item.get("data", {}).get("S", "")
    if item["sk"]["S"].startswith("ENTRY#") and '"kind":"cash_taken"' in data:
        return tab_id, "paid"
    if item["sk"]["S"].startswith("SENT#") and '"state":"claimed"' in data:
        return tab_id, "claimed"
    return None


def test_no_reminder_is_sent_after_the_payment(shop: Shop) -> None:
    """Of 200, as many as the races decide are sent: each was claimed before the payment was written."""
    shop.open(*WITHOUT_CARD).serve(OWED).accept_bill()
    tab = shop.tab
    for number in range(RACES):
        owing(shop, tab)
        race(shop, is_decided=number % 2 == 1)

    order = written(shop)
    paid = [tab_id for tab_id, what in order if what == "paid"]
    claimed = [tab_id for tab_id, what in order if what == "claimed"]
    late = [tab_id for tab_id in claimed if order.index((tab_id, "claimed")) > order.index((tab_id, "paid"))]
    assert len(paid) == len(set(paid)) == RACES
    assert late == []
    assert len(shop.mails.sent) == len(claimed)
    # Both win some, else there was no race.
    assert 0 < len(claimed) < RACES
