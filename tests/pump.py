"""Empties the queues in memory through the functions that read them, as Lambda does with the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.ports.queues import QueueName

TICK = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "",
    "time": "",
    "region": "",
    "resources": [],
    "detail": {},
}
"""The event with which EventBridge calls a schedule's function."""


def empty(
    queues: MemoryQueues, queue: QueueName, function: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> tuple[int, int]:
    """Give `function` what is visible until nothing is left: how many jobs were done, how many given up."""
    done, given_up = 0, len(queues.dead[queue])
    while batch := queues.take(queue):
        records = [
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "body": waiting.job.body,
                "attributes": {"MessageGroupId": waiting.job.group, "ApproximateReceiveCount": str(waiting.tries + 1)},
                "eventSource": "aws:sqs",
            }
            for number, waiting in enumerate(batch)
        ]
        failed = {item["itemIdentifier"] for item in function({"Records": records})["batchItemFailures"]}
        for number, waiting in enumerate(batch):
            if str(number) in failed:
                queues.fail(queue, waiting)
        done += len(batch) - len(failed)
    return done, len(queues.dead[queue]) - given_up
