"""Our side of `make bench-post`: the calls of one webhook, and the processor time of delivering a message.

Argument: the Stripe stand-in. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "warm"))

from msgspec.structs import replace
from ours import SECRET, Salon, deps
from table import Table
from warm import aws_event, signed

import app as application
from chalicelib import bootstrap
from chalicelib.adapters.dynamodb import items
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Channel, Contact, Given, Language, Source
from chalicelib.domain.news.message import Message, MessageKind
from chalicelib.domain.news.table import messages_of
from chalicelib.ports.deps import Deps
from chalicelib.usecases.news.post import deliver

TIMES = 300


class CountingTable(Table):
    """Counts the calls, and keeps what was last written."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.written: list[Any] = []

    def batch_get_item(self, **request: Any) -> Any:
        self.calls["batch_get_item"] += 1
        return super().batch_get_item(**request)

    def get_item(self, **request: Any) -> Any:
        self.calls["get_item"] += 1
        return super().get_item(**request)

    def query(self, **request: Any) -> Any:
        self.calls["query"] += 1
        return super().query(**request)

    def update_item(self, **request: Any) -> Any:
        self.calls["update_item"] += 1
        return {}

    def transact_write_items(self, **request: Any) -> Any:
        self.calls["transact_write_items"] += 1
        self.written = [action["Put"]["Item"] for action in request["TransactItems"] if "Put" in action]
        return super().transact_write_items(**request)


def main() -> None:
    stripe = sys.argv[1]
    table = CountingTable()
    outside = deps(table, stripe)
    bootstrap.use(outside)
    salon = Salon()
    paid = salon.pay(stripe)
    table.is_frozen = True
    table.calls.clear()
    payload, signature = signed(paid, SECRET)
    answer = application.app(aws_event("POST", "/v1/webhooks/stripe", payload, {"Stripe-Signature": signature}), None)
    assert answer["statusCode"] == 200, answer
    calls, messages = dict(table.calls), told(table)
    result = {
        "calls": calls,
        "messages": [message.kind for message in messages],
        "sent": len(outside.mailer.sent) + len(outside.texter.sent) + sum(map(len, outside.queues.waiting.values())),
        "message_us": {kind: delivering_us(outside, table, messages[0], channel) for kind, channel in CHANNELS.items()},
    }
    print(json.dumps(result))


def told(table: CountingTable) -> list[Message]:
    """The messages that follow from the entries that were written."""
    tab = next(items.tab_of(item) for item in table.written if item["sk"]["S"] == "STATE")
    table.items |= {(item["pk"]["S"], item["sk"]["S"]): item for item in table.written}
    entries = [items.entry_of(item) for item in table.written if item["sk"]["S"].startswith("ENTRY#")]
    return [m for entry in entries for m in messages_of(tab.merchant_id, tab.customer_id, tab.tab_id, entry)]


CHANNELS = {"e-mail": Channel.EMAIL, "text message": Channel.SMS}


def delivering_us(outside: Deps, table: CountingTable, message: Message, channel: Channel) -> float:
    """From the job to the mark, words included: database and channel answer at once."""
    outside = replace(outside, words=Writer(), api_url="https://api.example.com")
    contact = Contact(
        merchant_id=message.merchant_id,
        customer_id=message.customer_id or "",
        name="Ana",
        email="ana@example.com" if channel == Channel.EMAIL else None,
        phone="+4915112345678",
        language=Language.GERMAN,
        consents=(Given(channel=Channel.SMS, at=message.at, source=Source.CUSTOMER),),
        unsubscribe_key="0" * 26,
        updated_at=message.at,
    )
    item = items.contact_item(contact)
    table.items[item["pk"]["S"], item["sk"]["S"]] = item
    # A kind that no hour of the day puts off would not be every kind: the merchant has no quiet hours here.
    merchant = outside.store.get_merchant(message.merchant_id)
    awake = replace(merchant, policy=replace(merchant.policy, quiet_from_hour=0, quiet_until_hour=0))
    item = items.merchant_item(awake)
    table.items[item["pk"]["S"], item["sk"]["S"]] = item
    jobs = [
        replace(message, kind=MessageKind.RECEIPT, message_id=f"{message.message_id}{channel}{number}")
        for number in range(TIMES + 20)
    ]
    for job in jobs[:20]:
        deliver(outside, job)
    began = time.process_time()
    for job in jobs[20:]:
        deliver(outside, job)
    spent_s = time.process_time() - began
    sent = outside.mailer.sent if channel == Channel.EMAIL else outside.texter.sent
    assert len(sent) == len(jobs), f"{len(sent)} of {len(jobs)} were sent"
    return spent_s / TIMES * 1e6


if __name__ == "__main__":
    main()
