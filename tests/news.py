"""News in tests: what follows from the entries of the store in memory, and how it comes to the people."""

from __future__ import annotations

from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.news.message import Message
from chalicelib.domain.news.table import messages_of
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import QueueName
from chalicelib.ports.store import TabStore
from chalicelib.usecases.news.post import deliver_each
from chalicelib.usecases.news.relay import relay


def messages_of_all(store: TabStore) -> list[Message]:
    """The messages of every entry that was committed, in order."""
    assert isinstance(store, MemoryStore), "only the store in memory keeps its stream"
    return [
        message
        for new in store.stream
        for message in messages_of(new.merchant_id, new.customer_id, new.tab_id, new.entry)
    ]


class Pump:
    """Carries news from the store in memory to the people: stream, relay, queues, post. It stands where AWS does."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self._read = 0
        """How many entries of the stream the relay has had."""
        self.rests = False
        """Whether nothing moves: the test itself is the stream, or the post."""

    def run(self) -> None:
        """Until nothing is left that is visible now. What is delayed waits on its queue."""
        while not self.rests and (self._relay() or self._post()):
            pass

    def _relay(self) -> bool:
        assert isinstance(self.deps.store, MemoryStore), "only the store in memory keeps its stream"
        new = self.deps.store.stream[self._read :]
        assert relay(self.deps, new) == [], "there is an entry that can't be told"
        self._read += len(new)
        return bool(new)

    def _post(self) -> bool:
        queues = self.deps.queues
        assert isinstance(queues, MemoryQueues)
        batch = queues.take(QueueName.POST)
        for index in deliver_each(self.deps, [waiting.job.body for waiting in batch]):
            queues.fail(QueueName.POST, batch[index])
        return bool(batch)
