"""The table's stream: new entries go to the relay. A record that can't be relayed is put aside and delays no other.

Lambda's own way for such a record would be to try it again and again before it goes on, while the records behind it in
its shard wait. That way is left to what may pass: a queue that does not answer, and a process that dies.
"""

from __future__ import annotations

import json
import logging

from chalicelib import bootstrap
from chalicelib.handlers.events import batches
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable
from chalicelib.ports.store import StoreUnavailable
from chalicelib.ports.stream import NewEntry, UnreadableRecord
from chalicelib.usecases.news.relay import relay as relay_entries

log = logging.getLogger(__name__)


def relay(deps: Deps, event: batches.Event) -> batches.Answer:
    """Relay a batch. If a queue or the table does not answer, the whole batch comes again, to the same end."""
    entries: list[NewEntry] = []
    readable: list[batches.Event] = []
    aside: list[batches.Event] = []
    for record in event["Records"]:
        try:
            entries.append(bootstrap.entry_of(record))
            readable.append(record)
        except UnreadableRecord:
            log.exception("a record of the stream can't be read", extra={"sequence_number": _position(record)})
            aside.append(record)
    try:
        aside += [readable[index] for index in relay_entries(deps, entries)]
        deps.queues.send(QueueName.UNRELAYED, [Job(body=json.dumps(record), group="relay") for record in aside])
    except (QueueUnavailable, StoreUnavailable):
        log.exception("the batch comes again")
        return batches.answer([_position(event["Records"][0])])
    return batches.answer([])


def _position(record: batches.Event) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number
