"""The store of deliveries that belongs to a store of a test."""

from typing import Any

from chalicelib.adapters.dynamodb.deliveries import DynamoDbDeliveries
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_deliveries import MemoryDeliveries
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.deliveries import Deliveries


def deliveries_beside(store: Any) -> Deliveries:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbDeliveries(store._client, store._table_name, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no store of deliveries is known beside {type(store).__name__}"
    return MemoryDeliveries(store)
