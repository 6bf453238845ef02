"""The adapters of queues: jobs arrive with group and delay, what SQS refused is sent again, and failures are told."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from chalicelib import bootstrap
from chalicelib.adapters.aws.queues import TRIES, SqsQueues, sqs_client
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def jobs(count: int) -> list[Job]:
    return [Job(body=f'{{"tab_id":"tab_{number}"}}', group=f"mer_{number % 3}") for number in range(count)]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")  # type: ignore[call-overload]


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    found = []
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], VisibilityTimeout=60
    ).get("Messages"):
        found += batch
    return found


def test_jobs_arrive_on_their_queue_with_their_group(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty-five jobs are three calls, and every one of them arrives, on the queue that the setting names."""
    url = aws.create_queue(QueueName="aftertab-dev-due")["QueueUrl"]
    monkeypatch.setenv("AFTERTAB_QUEUE_DUE", url)
    monkeypatch.setenv("AFTERTAB_TABLE", "aftertab-dev")
    monkeypatch.setenv("AFTERTAB_STAGE", "dev")

    bootstrap.build().queues.send(QueueName.DUE, jobs(25))

    messages = received(aws, url)
    assert {(m["Body"], m["Attributes"]["MessageGroupId"]) for m in messages} == {(j.body, j.group) for j in jobs(25)}
    assert len(messages) == 25


def test_a_delayed_job_waits_on_the_queue(aws: Any) -> None:
    """It is there, and nobody receives it yet."""
    url = aws.create_queue(QueueName="aftertab-dev-post")["QueueUrl"]

    SqsQueues(sqs_client(), lambda queue: url).send(QueueName.POST, [Job(body="{}", group="mer_1", delay_s=300)])

    count = aws.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    assert count["Attributes"] == {"ApproximateNumberOfMessagesDelayed": "1"}
    assert received(aws, url) == []


class Refusing:
    """SQS that refuses, call by call, the entries in `refusals`: id → whether the sender is at fault."""

    def __init__(self, *refusals: Mapping[str, bool]) -> None:
        self._refusals = [*refusals]
        self.calls: list[list[str]] = []
        self.taken: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append([entry["Id"] for entry in Entries])
        refused = self._refusals.pop(0) if self._refusals else {}
        self.taken += [entry["MessageBody"] for entry in Entries if entry["Id"] not in refused]
        return {"Failed": [{"Id": name, "SenderFault": fault, "Code": "No"} for name, fault in refused.items()]}

    def close(self) -> None: ...


def sending(sqs: Refusing) -> SqsQueues:
    return SqsQueues(sqs, lambda queue: "https://queue", sleep=lambda seconds: None)


def test_jobs_that_were_not_taken_are_sent_again_and_no_others() -> None:
    """SQS answers 200 for a batch of which it took only some."""
    sqs = Refusing({"1": False, "3": False}, {"3": False})

    sending(sqs).send(QueueName.DUE, jobs(5))

    assert sqs.calls == [["0", "1", "2", "3", "4"], ["1", "3"], ["3"]]
    assert Counter(sqs.taken) == Counter(job.body for job in jobs(5))


def test_a_queue_that_never_takes_a_job_is_unavailable() -> None:
    """After a few tries; whoever sent it decides what that means."""
    sqs = Refusing(*[{"0": False}] * TRIES)

    with pytest.raises(QueueUnavailable, match="due did not take 1 of 2 jobs: No"):
        sending(sqs).send(QueueName.DUE, jobs(2))

    assert len(sqs.calls) == TRIES


def test_a_job_that_sqs_finds_wrong_is_not_sent_again() -> None:
    """Its sender is at fault, and no repetition mends it."""
    sqs = Refusing({"0": True})

    with pytest.raises(QueueUnavailable):
        sending(sqs).send(QueueName.DUE, jobs(1))

    assert len(sqs.calls) == 1


@pytest.mark.parametrize(
    "failure",
    [EndpointConnectionError(endpoint_url="https://sqs"), ClientError({"Error": {"Code": "Throttled"}}, "Send")],
)
def test_whatever_sqs_fails_with_is_an_unavailable_queue(failure: Exception) -> None:
    """A use case knows the port's errors, not the vendor's."""

    class Broken(Refusing):
        def send_message_batch(self, **call: Any) -> dict[str, Any]:
            raise failure

    with pytest.raises(QueueUnavailable):
        sending(Broken()).send(QueueName.DUE, jobs(1))


class Clock:
    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant


def test_in_memory_a_delay_is_one_of_business_time() -> None:
    """No test waits for a receipt."""
    clock = Clock()
    queues = MemoryQueues(clock)
    queues.send(QueueName.POST, [Job(body="receipt", group="mer_1", delay_s=300), Job(body="bill", group="mer_1")])

    assert [waiting.job.body for waiting in queues.take(QueueName.POST)] == ["bill"]
    assert queues.next_at() == NOON + timedelta(seconds=300)
    clock.instant += timedelta(seconds=300)
    assert [waiting.job.body for waiting in queues.take(QueueName.POST)] == ["receipt"]
    assert queues.next_at() is None


def test_in_memory_a_job_that_fails_three_times_is_a_dead_letter() -> None:
    """As on the real queue: and its neighbour is done once."""
    queues = MemoryQueues(Clock())
    queues.send(QueueName.DUE, jobs(2))
    done = []

    while batch := queues.take(QueueName.DUE):
        for waiting in batch:
            if waiting.job == jobs(2)[0]:
                queues.fail(QueueName.DUE, waiting)
            else:
                done.append(waiting.job)

    assert done == [jobs(2)[1]]
    assert queues.dead[QueueName.DUE] == [jobs(2)[0]]


def test_in_memory_disorder_repeats_and_reorders_and_loses_nothing() -> None:
    """What SQS promises is at least once, and no order."""
    queues = MemoryQueues(Clock(), random.Random(1))
    queues.send(QueueName.DUE, jobs(50))

    got = [waiting.job.body for _ in range(1000) for waiting in queues.take(QueueName.DUE)]

    assert set(got) == {job.body for job in jobs(50)}
    assert len(got) > 50
    assert got[:50] != [job.body for job in jobs(50)]
