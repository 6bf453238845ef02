"""Queues on SQS: standard queues, which deliver at least once and in no order.

`MessageGroupId` on a standard queue makes it fair: a group that has sent thousands does not hold up the others.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws import client as aws
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable

BATCH = 10
"""The most jobs that SQS takes in one call. Ours hold ids and a few values, far from its limit of 1 MiB."""
TRIES = 4
_BACKOFF_S = 0.05


class Sqs(Protocol):
    """The methods of the SQS client that are used."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]: ...  # noqa: N803

    def close(self) -> None: ...


def sqs_client(*, is_emulated: bool = False) -> Sqs:
    """Create boto3's client, which finds an emulator by AWS's own settings. `is_emulated`: it gets more time."""
    config = aws.config(connect_s=5, read_s=20) if is_emulated else aws.config()
    return cast(Sqs, boto3.client("sqs", config=config))


class SqsQueues:
    """Implements ports.Queues. `url_of`: a queue's address. `sleep`: waits between tries."""

    def __init__(
        self, sqs: Sqs, url_of: Callable[[QueueName], str], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._sqs = sqs
        self._url_of = url_of
        self._sleep = sleep

    def send(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        """Ten jobs a call. Of each ten, those that SQS did not take are sent again, up to TRIES times."""
        for start in range(0, len(jobs), BATCH):
            self._send_batch(queue, jobs[start : start + BATCH])

    def _send_batch(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        entries = {str(number): _entry(str(number), job) for number, job in enumerate(jobs)}
        why = ""
        for number in range(TRIES):
            if number:
                self._sleep(random.uniform(0.5, 1) * _BACKOFF_S * 2**number)
            try:
                answer = self._sqs.send_message_batch(QueueUrl=self._url_of(queue), Entries=[*entries.values()])
            except (ClientError, BotoCoreError) as error:
                # botocore has tried again by itself where that could help.
                raise QueueUnavailable(f"the queue {queue} took none of {len(entries)} jobs: {error}") from error
            failed = answer.get("Failed", [])
            entries = {failure["Id"]: entries[failure["Id"]] for failure in failed}
            if not entries:
                return
            why = ", ".join(sorted({failure["Code"] for failure in failed}))
            if all(failure["SenderFault"] for failure in failed):
                # These are refused however often they are sent.
                break
        raise QueueUnavailable(f"the queue {queue} did not take {len(entries)} of {len(jobs)} jobs: {why}")


def _entry(number: str, job: Job) -> dict[str, Any]:
    delay = {"DelaySeconds": job.delay_s} if job.delay_s else {}
    return {"Id": number, "MessageBody": job.body, "MessageGroupId": job.group, **delay}
