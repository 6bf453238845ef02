"""How long tabs of many merchants wait, with and without one merchant who owns nine in ten of what is due.

What is due is sent by our own sweep to a queue of ministack, and received ten at a time, as a worker gets it. Time is
counted in batches: workers that take equally long for each. ministack's queue hands out what came first; it does not
favour quiet groups as SQS's fair queues do, so that what is measured is the order in which our sweep sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
from msgspec.structs import replace

from chalicelib.adapters.aws.queues import SqsQueues, sqs_client
from chalicelib.ports.store import Due, DueTab
from chalicelib.usecases.tab.advance_tab import sweep
from tests.usecases.shop import Shop

DUE = 20_000
LOUD = "mer_loud"
LOUD_PART = 0.9
MERCHANTS = 200
"""The others, who have the rest in equal parts."""
WORKERS = 10


class DueStore:
    def __init__(self, due: list[DueTab]) -> None:
        self._due = due

    def iter_due(self, now: datetime) -> Iterator[Due]:
        yield from self._due


def measure(endpoint: str) -> tuple[float, float]:
    """The others' 95th percentile of waiting in batches, without the loud merchant and with them."""
    others = [DueTab(f"mer_{number % MERCHANTS}", f"tab_{number}") for number in range(round(DUE * (1 - LOUD_PART)))]
    loud = [DueTab(LOUD, f"tab_loud{number}") for number in range(DUE - len(others))]
    # The loud merchant's tabs are found first: the worst order for the others.
    return _p95(endpoint, "without", others), _p95(endpoint, "with", [*loud, *others])


def _p95(endpoint: str, name: str, due: list[DueTab]) -> float:
    sqs: Any = boto3.client("sqs", endpoint_url=endpoint, region_name="eu-west-1")
    url = sqs.create_queue(QueueName=f"bench-sweep-{name}")["QueueUrl"]
    queues = SqsQueues(sqs_client(is_emulated=True), lambda queue: url)
    assert sweep(replace(Shop().deps, store=DueStore(due), queues=queues)).due == len(due)
    expected = sum(each.merchant_id != LOUD for each in due)
    waits: list[int] = []
    received = 0
    while len(waits) < expected:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        merchants = [json.loads(message["Body"])["merchant_id"] for message in messages]
        # So many batches are under way at a time; the next begins when one of them is done.
        waits += [received // WORKERS for merchant in merchants if merchant != LOUD]
        received += 1
    return sorted(waits)[round(0.95 * len(waits)) - 1]
