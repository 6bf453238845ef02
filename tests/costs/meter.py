"""A DynamoDB client that counts requests and their capacity units, by AWS's published rules.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/: CapacityUnitCalculations.html for sizes,
read-write-operations.html for units, GSI.html for what an index costs. No emulator can be asked: none tells all of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
_RESOURCES = json.loads((ROOT / ".chalice" / "resources.json").read_text())
INDEXES = _RESOURCES["Resources"]["TabTable"]["Properties"]["GlobalSecondaryIndexes"]
_KEY = ("pk", "sk")
_READ_BLOCK = 4096
_WRITE_BLOCK = 1024

Item = Mapping[str, Mapping[str, str]]


@dataclass
class Usage:
    """What was asked of others: DynamoDB by kind of request, its capacity units, and Stripe.

    `schedule` and `schedule_rcu`: the queries of the due index, which cost the same however many tabs there are.
    """

    requests: Counter[str] = field(default_factory=Counter)
    rcu: float = 0
    wcu: float = 0
    stripe: int = 0
    schedule: int = 0
    schedule_rcu: float = 0

    def __iadd__(self, other: Usage) -> Usage:
        self.requests += other.requests
        self.rcu += other.rcu
        self.wcu += other.wcu
        self.stripe += other.stripe
        self.schedule += other.schedule
        self.schedule_rcu += other.schedule_rcu
        return self

    @property
    def dynamodb(self) -> int:
        return self.requests.total()

    @property
    def transactions(self) -> int:
        return self.requests["TransactWriteItems"]


class Meter:
    """Collects usage; `counting` hands out what was used inside it."""

    def __init__(self) -> None:
        self._open: list[Usage] = []

    @contextmanager
    def counting(self) -> Iterator[Usage]:
        usage = Usage()
        self._open.append(usage)
        try:
            yield usage
        finally:
            # By identity: two that are equal are still two.
            self._open = [other for other in self._open if other is not usage]

    def add(self, usage: Usage) -> None:
        for each in self._open:
            each += usage


class MeteredClient:
    """The calls that the store makes of boto3's client, counted; it must be the table's only writer."""

    def __init__(self, client: Any, meter: Meter) -> None:
        self._client = client
        self._meter = meter
        self._items: dict[tuple[str, str], Item] = {}

    def forget(self) -> None:
        """The table is another one, and empty."""
        self._items.clear()

    def get_item(self, **request: Any) -> Any:
        answer = self._client.get_item(**request)
        units = _read_units(item_bytes(answer.get("Item", {})), consistent=request.get("ConsistentRead", False))
        self._meter.add(Usage(Counter(GetItem=1), rcu=units))
        return answer

    def batch_get_item(self, **request: Any) -> Any:
        answer = self._client.batch_get_item(**request)
        units = 0.0
        for table, wanted in request["RequestItems"].items():
            found = {_key(item): item for item in answer["Responses"].get(table, ())}
            # Each item is rounded up by itself, and one that is not there costs as much as a small one.
            units += sum(
                _read_units(item_bytes(found.get(_key(key), {})), consistent=wanted.get("ConsistentRead", False))
                for key in wanted["Keys"]
            )
        self._meter.add(Usage(Counter(BatchGetItem=1), rcu=units))
        return answer

    def query(self, **request: Any) -> Any:
        answer = self._client.query(**request)
        size = sum(item_bytes(item) for item in answer["Items"])
        units = _read_units(size, consistent=request.get("ConsistentRead", False))
        if request.get("IndexName") == "due":
            self._meter.add(Usage(schedule=1, schedule_rcu=units))
        else:
            self._meter.add(Usage(Counter(Query=1), rcu=units))
        return answer

    def put_item(self, **request: Any) -> Any:
        answer = self._client.put_item(**request)
        units = self._write(request["Item"], units_a_block=1)
        self._meter.add(Usage(Counter(PutItem=1), wcu=units))
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        puts = [action["Put"]["Item"] for action in request["TransactItems"]]
        try:
            answer = self._client.transact_write_items(**request)
        except ClientError:
            # What was refused is charged all the same, but for the indexes, which hear only of what was written.
            units = sum(2 * _blocks(max(item_bytes(item), self._stored_bytes(item)), _WRITE_BLOCK) for item in puts)
            self._meter.add(Usage(Counter(TransactWriteItems=1), wcu=units))
            raise
        # Written twice, once to prepare and once to commit; the indexes follow afterwards, outside the transaction.
        units = sum(self._write(item, units_a_block=2) for item in puts)
        self._meter.add(Usage(Counter(TransactWriteItems=1), wcu=units))
        return answer

    def _write(self, item: Item, *, units_a_block: int) -> int:
        """The units for putting the item in the place of what is there, indexes included."""
        old = self._items.get(_key(item))
        units = units_a_block * _blocks(max(item_bytes(item), self._stored_bytes(item)), _WRITE_BLOCK)
        units += sum(_index_units(index, old, item) for index in INDEXES)
        self._items[_key(item)] = dict(item)
        return units

    def _stored_bytes(self, item: Item) -> int:
        return item_bytes(self._items.get(_key(item), {}))


def item_bytes(item: Item) -> int:
    """Names and values, in UTF-8; a number takes a byte for every two significant digits, and one more."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, str]) -> int:
    ((kind, text),) = value.items()
    if kind == "S":
        return len(text.encode())
    assert kind == "N", f"no item of ours has a {kind}"
    digits = text.lstrip("-").strip("0")
    return ceil(len(digits) / 2) + 1 + text.startswith("-")


def _index_units(index: Mapping[str, Any], old: Item | None, new: Item) -> int:
    """What keeping one index in step costs: nothing if none of what it has was changed."""
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    before, after = _entry(index, keys, old), _entry(index, keys, new)
    if before == after:
        return 0
    if before and after and all(before[key] == after[key] for key in keys):
        return _blocks(max(item_bytes(before), item_bytes(after)), _WRITE_BLOCK)
    # An entry under another key: the old one is deleted, and the new one written.
    return sum(_blocks(item_bytes(entry), _WRITE_BLOCK) for entry in (before, after) if entry)


def _entry(index: Mapping[str, Any], keys: list[str], item: Item | None) -> Item | None:
    """What the index has of the item; None if it lacks a key."""
    if item is None or not all(key in item for key in keys):
        return None
    names = {*_KEY, *keys, *index["Projection"].get("NonKeyAttributes", ())}
    return {name: value for name, value in item.items() if name in names}


def _read_units(size: int, *, consistent: bool) -> float:
    return _blocks(size, _READ_BLOCK) * (1 if consistent else 0.5)


def _blocks(size: int, block: int) -> int:
    return max(1, ceil(size / block))


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]
