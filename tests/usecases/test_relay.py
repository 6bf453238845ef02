"""The relay: what was committed becomes jobs, the same ones however often it comes, and one bad record stops nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb import items, table
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.handlers.events import stream
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable
from chalicelib.usecases.news import relay as relaying
from tests.usecases.shop import EVERYTHING, Shop


def records(shop: Shop) -> list[dict[str, Any]]:
    """What the table's stream has of the shop's tab: a record for each entry."""
    page = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None)
    return [
        {
            "eventID": str(entry.seq),
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": table.entry_key(shop.merchant_id, shop.tab_id, table.entry_position(entry.seq)),
                "NewImage": items.entry_item(shop.tab, entry),
                "SequenceNumber": str(1000 + entry.seq),
            },
        }
        for entry in page.items
    ]


def relay(shop: Shop, batch: Sequence[dict[str, Any]]) -> list[str]:
    """The sequence numbers that come again."""
    answer = stream.relay(shop.deps, {"Records": batch})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def jobs(shop: Shop, queue: QueueName) -> list[Job]:
    assert isinstance(shop.deps.queues, MemoryQueues)
    return [waiting.job for waiting in shop.deps.queues.waiting[queue]]


def messages(shop: Shop) -> list[Message]:
    return [msgspec.json.decode(job.body, type=Message) for job in jobs(shop, QueueName.POST)]


@pytest.fixture
def paid(shop: Shop) -> Shop:
    shop.open(*EVERYTHING).serve(50_00).accept_bill()
    return shop


def test_what_was_committed_becomes_messages(paid: Shop) -> None:
    """The bill at once, the receipt five minutes later, both in the turn of their merchant."""
    assert relay(paid, records(paid)) == []

    told = {(message.kind, message.to): message for message in messages(paid)}
    bill, receipt = (
        told[MessageKind.BILL_PRESENTED, Recipient.CUSTOMER],
        told[MessageKind.RECEIPT, Recipient.CUSTOMER],
    )
    assert (bill.merchant_id, bill.customer_id, bill.tab_id) == (paid.merchant_id, paid.customer_id, paid.tab_id)
    assert bill.values["total_minor"] == 50_00
    delays = {msgspec.json.decode(job.body, type=Message).kind: job.delay_s for job in jobs(paid, QueueName.POST)}
    assert (delays[bill.kind], delays[receipt.kind]) == (0, 300)
    assert {job.group for job in jobs(paid, QueueName.POST)} == {paid.merchant_id}


def test_a_record_that_comes_again_makes_the_same_message(paid: Shop) -> None:
    """A delivery is claimed by its message's id, so the second one is nobody's."""
    relay(paid, records(paid))
    first = messages(paid)

    relay(paid, records(paid)[::-1])

    again = messages(paid)[len(first) :]
    assert sorted(message.message_id for message in again) == sorted(message.message_id for message in first)
    assert len({message.message_id for message in first}) == len(first)


def _without_data(record: dict[str, Any]) -> None:
    del record["dynamodb"]["NewImage"]["data"]


def _of_nobody(record: dict[str, Any]) -> None:
    record["dynamodb"]["NewImage"]["pk"] = {"S": "STRIPE#platform#pi_1"}


def _of_a_newer_release(record: dict[str, Any]) -> None:
    record["dynamodb"]["NewImage"]["schema_version"] = {"N": str(items.SCHEMA_VERSION + 1)}


def _garbled(record: dict[str, Any]) -> None:
    record["dynamodb"]["NewImage"]["data"] = {"S": '{"seq": "many"'}


def _without_image(record: dict[str, Any]) -> None:
    del record["dynamodb"]["NewImage"]


@pytest.mark.parametrize("spoil", [_without_data, _of_nobody, _of_a_newer_release, _garbled, _without_image])
def test_a_record_that_can_not_be_read_is_put_aside(paid: Shop, spoil: Any) -> None:
    """It stands whole among the dead letters, where it can be relayed again, and its neighbours are told at once."""
    batch = records(paid)
    (presented,) = [record for record in batch if '"bill_presented"' in record["dynamodb"]["NewImage"]["data"]["S"]]
    spoil(presented)

    assert relay(paid, batch) == []

    assert [json.loads(job.body) for job in jobs(paid, QueueName.UNRELAYED)] == [presented]
    kinds = [message.kind for message in messages(paid)]
    assert MessageKind.RECEIPT in kinds
    assert MessageKind.BILL_PRESENTED not in kinds


def test_an_entry_that_nobody_can_tell_is_put_aside(paid: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the table of news holds up no other tab."""
    real = relaying.messages_of

    def fail(merchant_id: str, customer_id: str | None, tab_id: str | None, entry: Any) -> tuple[Message, ...]:
        if entry.kind == "bill_presented":
            raise KeyError("total_minor")
        return real(merchant_id, customer_id, tab_id, entry)

    monkeypatch.setattr(relaying, "messages_of", fail)

    assert relay(paid, records(paid)) == []

    (aside,) = jobs(paid, QueueName.UNRELAYED)
    assert '\\"bill_presented\\"' in aside.body
    assert MessageKind.RECEIPT in [message.kind for message in messages(paid)]


def test_a_queue_that_does_not_answer_brings_the_whole_batch_again(paid: Shop) -> None:
    """Lambda goes on from the first record that is named; what was sent already is sent again, under the same ids."""

    class Down:
        def send(self, queue: QueueName, jobs: Sequence[Job]) -> None:
            raise QueueUnavailable("no answer")

    batch = records(paid)
    deps = replace(paid.deps, queues=Down())

    answer = stream.relay(deps, {"Records": batch})

    assert answer == {"batchItemFailures": [{"itemIdentifier": batch[0]["dynamodb"]["SequenceNumber"]}]}


def test_an_entry_of_the_business_itself_has_no_tab(shop: Shop) -> None:
    """Its history stands beside its profile; the owner is told."""
    entry = {
        "seq": 1,
        "at": "2026-03-02T12:00:00Z",
        "kind": "account_lost",
        "by": "stripe",
        "details": {"account": "a"},
    }
    image = {
        "pk": {"S": f"MERCHANT#{shop.merchant_id}"},
        "sk": {"S": "ENTRY#00000001"},
        "data": {"S": json.dumps(entry)},
        "schema_version": {"N": str(items.SCHEMA_VERSION)},
    }

    relay(shop, [{"eventName": "INSERT", "dynamodb": {"NewImage": image, "SequenceNumber": "1"}}])

    (message,) = messages(shop)
    assert (message.kind, message.to, message.tab_id) == (MessageKind.ACCOUNT_LOST, Recipient.OWNER, None)
