"""Batches that Lambda reads from a queue: which of their messages are to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]
Answer = dict[str, list[dict[str, str]]]
"""`{"batchItemFailures": [{"itemIdentifier": …}]}`: all others are done. The mapping must ask for such answers
(ReportBatchItemFailures), else each batch counts as done.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""


def answer(failed: Iterable[str]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": item} for item in failed]}


def of_queue(event: Event, do: Callable[[Sequence[str]], Iterable[int]]) -> Answer:
    """`do` gets the messages' bodies and returns the indexes of those that failed. If it raises, all come again."""
    records = event["Records"]
    return answer(records[index]["messageId"] for index in do([record["body"] for record in records]))
