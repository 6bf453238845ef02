"""Reads the table's stream: from a record of a new item to the entry that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.adapters.dynamodb import items
from chalicelib.ports.stream import NewEntry, UnreadableRecord

_OWNERS = {"TAB": 3, "MERCHANT": 2}
"""The first part of a partition's key whose entries are told → the number of its parts."""


def entry_of(record: Mapping[str, Any]) -> NewEntry:
    """The entry that a stream record has as its new image, with its owner. Raises UnreadableRecord.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
    """
    try:
        item = record["dynamodb"]["NewImage"]
        kind, *ids = item["pk"]["S"].split("#")
        if len(ids) + 1 != _OWNERS.get(kind):
            raise UnreadableRecord(f"no entry has the key {item['pk']['S']}")
        return NewEntry(
            merchant_id=ids[0],
            tab_id=ids[1] if kind == "TAB" else None,
            customer_id=item["customer_id"]["S"] if "customer_id" in item else None,
            entry=items.entry_of(item),
        )
    except (KeyError, TypeError, AttributeError, msgspec.MsgspecError, items.NewerSchema) as error:
        raise UnreadableRecord(f"{type(error).__name__}: {error}") from error
