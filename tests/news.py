"""What is told because of what was committed, in tests: from the entries of the store in memory."""

from __future__ import annotations

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.news.message import Message
from chalicelib.domain.news.table import messages_of
from chalicelib.ports.store import TabStore


def messages_of_all(store: TabStore) -> list[Message]:
    """The messages of every entry that was committed, in order."""
    assert isinstance(store, MemoryStore), "only the store in memory keeps its stream"
    return [
        message
        for new in store.stream
        for message in messages_of(new.merchant_id, new.customer_id, new.tab_id, new.entry)
    ]
