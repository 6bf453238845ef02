"""The stores of people and of links that belong to a store of a test."""

from typing import Any

from chalicelib.adapters.dynamodb.links import DynamoDbLinks
from chalicelib.adapters.dynamodb.people import DynamoDbPeople
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_links import MemoryLinks
from chalicelib.adapters.memory_people import MemoryPeople
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.links import Links
from chalicelib.ports.people import People


def people_beside(store: Any) -> People:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbPeople(store._client, store._table_name, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no people store is known beside {type(store).__name__}"
    return MemoryPeople(store)


def links_beside(store: Any, stage: str = "dev") -> Links:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbLinks(store._client, store._table_name, stage, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no store of links is known beside {type(store).__name__}"
    return MemoryLinks(store, stage)
