"""The people store that belongs to a store of a test."""

from typing import Any

from chalicelib.adapters.dynamodb.people import DynamoDbPeople
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_people import MemoryPeople
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.people import People


def people_beside(store: Any) -> People:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbPeople(store._client, store._table_name, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no people store is known beside {type(store).__name__}"
    return MemoryPeople(store)
