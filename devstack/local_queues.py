"""The queues of the local stack, on the emulator, with delays by the business clock.

SQS delays by the wall clock, and locally five minutes pass in a moment. So a delayed job waits in a small table of its
own, and the pump puts it on its queue when its business time has come.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import boto3
import msgspec
from msgspec.structs import replace

from chalicelib.ports.clock import Clock
from chalicelib.ports.queues import Job, QueueName, Queues
from devstack.dynamodb_table import RESOURCES

TABLE = "aftertab-local"
VISIBILITY_S = 5
"""A job whose reader was killed comes again after so many seconds; on AWS, after many minutes."""
_RESOURCE_OF = {
    QueueName.DUE: "DueQueue",
    QueueName.POST: "PostQueue",
    QueueName.NOTICES: "NoticesQueue",
    QueueName.UNRELAYED: "RelayDeadLetters",
}


def client(service: str, endpoint_url: str, region: str) -> Any:
    """A boto3 client of an emulator. The developer's own credentials must not be sent."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def create(endpoint_url: str, region: str, stage: str = "dev") -> dict[QueueName, str]:
    """Create the queues and their dead letters as `.chalice/resources.json` defines them; returns their addresses."""
    sqs = client("sqs", endpoint_url, region)
    resources = json.loads(RESOURCES.read_text())["Resources"]

    def made(logical_id: str) -> str:
        properties = resources[logical_id]["Properties"]
        name = properties["QueueName"]["Fn::Sub"].replace("${Stage}", stage)
        attributes = {}
        if redrive := properties.get("RedrivePolicy"):
            letters = made(redrive["deadLetterTargetArn"]["Fn::GetAtt"][0])
            arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            attributes["RedrivePolicy"] = json.dumps({**redrive, "deadLetterTargetArn": arn})
            attributes["VisibilityTimeout"] = str(VISIBILITY_S)
        url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    return {queue: made(logical_id) for queue, logical_id in _RESOURCE_OF.items()}


def create_table(endpoint_url: str, region: str) -> None:
    """Create the table of what waits, unless it is there."""
    dynamodb = client("dynamodb", endpoint_url, region)
    if TABLE not in dynamodb.list_tables()["TableNames"]:
        keys = {"pk": "HASH", "sk": "RANGE"}
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            BillingMode="PAY_PER_REQUEST",
        )


class DelayedQueues:
    """Implements ports.Queues: jobs with a delay wait in the table, all others go on at once."""

    def __init__(self, inner: Queues, dynamodb: Any, clock: Clock) -> None:
        self._inner = inner
        self._dynamodb = dynamodb
        self._clock = clock

    def send(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.delay_s:
                at = self._clock.now() + timedelta(seconds=job.delay_s)
                item = {"queue": queue.value, "job": msgspec.json.encode(replace(job, delay_s=0)).decode()}
                self._put(at, item)
        self._inner.send(queue, [job for job in jobs if not job.delay_s])

    def release(self) -> int:
        """Send the jobs whose time has come; returns how many. Killed in between, it sends some of them again."""
        released = 0
        for key, queue, job in self._due():
            self._inner.send(queue, [job])
            self._dynamodb.delete_item(TableName=TABLE, Key=key)
            released += 1
        return released

    def _put(self, at: datetime, item: dict[str, str]) -> None:
        key = {"pk": "DELAYED", "sk": f"{_instant(at)}#{uuid.uuid4().hex}"}
        self._dynamodb.put_item(TableName=TABLE, Item={name: {"S": value} for name, value in {**key, **item}.items()})

    def _due(self) -> Iterator[tuple[dict[str, Any], QueueName, Job]]:
        found = self._dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND sk < :now",
            ExpressionAttributeValues={":pk": {"S": "DELAYED"}, ":now": {"S": f"{_instant(self._clock.now())}$"}},
        )
        for item in found["Items"]:
            key = {"pk": item["pk"], "sk": item["sk"]}
            yield key, QueueName(item["queue"]["S"]), msgspec.json.decode(item["job"]["S"], type=Job)


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
