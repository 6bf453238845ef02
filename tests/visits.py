"""The store of visits that belongs to a store of a test."""

from typing import Any

from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.dynamodb.visits import DynamoDbVisits
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.adapters.memory_visits import MemoryVisits
from chalicelib.ports.visits import Visits


def visits_beside(store: Any) -> Visits:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbVisits(store._client, store._table_name, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no store of visits is known beside {type(store).__name__}"
    return MemoryVisits(store)
