"""The pump of the local stack: calls the functions that read stream and queues, as Lambda does, until nothing is left.

It stands for the event source mappings of the template (devstack/deploy/mappings.py). One process pumps at a time,
however many there are. One that is killed leaves the rest to the next: the lock file then still says that it was at
work, and which jobs it had in its hands. These are tried again at once.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import IO, Any

from chalicelib.ports.queues import QueueName
from devstack import local_queues
from devstack.local_queues import TABLE, DelayedQueues

log = logging.getLogger(__name__)

Function = Callable[[dict[str, Any], None], dict[str, Any]]

BATCH, STREAM_BATCH = 10, 100
TRIES = 3
LOOK_AGAIN_S = 0.2
"""How often to look for the jobs that a killed process had in its hands; nobody else waits here."""
BUSY = "busy\n"
_POSITION = {"pk": {"S": "POSITION"}, "sk": {"S": "-"}}


class Pump:
    """`relay`: reads the stream. `readers`: which function reads which queue. `lock`: a file of this stack."""

    def __init__(
        self,
        *,
        table: str,
        relay: Function,
        readers: Mapping[QueueName, Function],
        urls: Mapping[QueueName, str],
        delayed: DelayedQueues,
        database_url: str,
        queues_url: str,
        region: str,
        lock: Path,
    ) -> None:
        self._table = table
        self._relay = relay
        self._readers = readers
        self._urls = urls
        self._delayed = delayed
        self._sqs = local_queues.client("sqs", queues_url, region)
        self._dynamodb = local_queues.client("dynamodb", database_url, region)
        self._streams = local_queues.client("dynamodbstreams", database_url, region)
        self._lock = lock
        self._stream: dict[str, str] = {}
        """Its ARN and its one shard, once they are known."""
        self._next: tuple[str | None, str] | None = None
        """A position in the stream, and the iterator that goes on from there."""

    def run(self) -> dict[str, int]:
        """Pump until stream and queues are empty. `failed`: jobs that were given up, of all queues."""
        counts: Counter[str] = Counter(dict.fromkeys(("relayed", "failed", *self._readers), 0))
        with self._alone() as in_hand:
            was_killed = self._give_back(in_hand)
            while True:
                moved = self._delayed.release() + self._read_stream(counts)
                for queue in self._readers:
                    while batch := self._receive(queue):
                        self._note(in_hand, queue, batch)
                        self._handle(queue, batch, counts)
                        moved += len(batch)
                if not moved and not (was_killed and self._wait_for_others()):
                    in_hand.truncate(0)
                    return dict(counts)

    @contextmanager
    def _alone(self) -> Iterator[IO[str]]:
        """The lock file. While its owner works it says so in the first line, and in the next ones which jobs it has."""
        with self._lock.open("a+") as file:
            # The kernel takes the lock from a process that is killed.
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _note(self, in_hand: IO[str], queue: QueueName, batch: list[dict[str, Any]]) -> None:
        in_hand.truncate(0)
        in_hand.write(BUSY)
        for message in batch:
            handle = {"QueueUrl": self._urls[queue], "ReceiptHandle": message["ReceiptHandle"]}
            in_hand.write(json.dumps(handle) + "\n")
        in_hand.flush()

    def _give_back(self, in_hand: IO[str]) -> bool:
        """Whether the last owner of the lock was killed. The jobs that it had in its hands are visible again."""
        in_hand.seek(0)
        lines = in_hand.readlines()
        for line in lines[1:]:
            # Those that it had finished are gone.
            with suppress(self._sqs.exceptions.ClientError):
                self._sqs.change_message_visibility(**json.loads(line), VisibilityTimeout=0)
        if not lines:
            in_hand.write(BUSY)
            in_hand.flush()
        return bool(lines)

    # Queues

    def _receive(self, queue: QueueName) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._sqs.receive_message(
            QueueUrl=self._urls[queue], MaxNumberOfMessages=BATCH, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        return found

    def _handle(self, queue: QueueName, batch: list[dict[str, Any]], counts: Counter[str]) -> None:
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in batch
        ]
        failed = self._call(self._readers[queue], records, {record["messageId"] for record in records})
        for message in batch:
            handle = {"QueueUrl": self._urls[queue], "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] not in failed:
                self._sqs.delete_message(**handle)
                counts[queue] += 1
            else:
                # At once, so that nobody waits for its next try; after the last one SQS puts it aside.
                self._sqs.change_message_visibility(**handle, VisibilityTimeout=0)
                counts["failed"] += int(message["Attributes"]["ApproximateReceiveCount"]) >= TRIES

    def _call(self, function: Function, records: list[dict[str, Any]], every: set[str]) -> set[str]:
        try:
            answer = function({"Records": records}, None)
        except Exception:
            log.exception("a function ended without an answer")
            return every
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}

    def _wait_for_others(self) -> bool:
        """Whether jobs are in the hands of a process that was killed, or have just come back from there.

        They come again after VISIBILITY_S, which may end between the last look into the queue and this one.
        """
        names = ["ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessages"]
        for queue in self._readers:
            found = self._sqs.get_queue_attributes(QueueUrl=self._urls[queue], AttributeNames=names)
            if any(int(found["Attributes"][name]) for name in names):
                sleep(LOOK_AGAIN_S)
                return True
        return False

    # The stream

    def _read_stream(self, counts: Counter[str]) -> int:
        """Relay what was committed since the last time; returns how many entries."""
        position = self._position()
        iterator = self._iterator(position)
        relayed = 0
        while True:
            page = self._streams.get_records(ShardIterator=iterator, Limit=1000)
            records = [_as_lambda_gets(record) for record in page["Records"]]
            entries = [record for record in records if _is_entry(record)]
            for start in range(0, len(entries), STREAM_BATCH):
                batch = entries[start : start + STREAM_BATCH]
                if failed := self._call(self._relay, batch, {_number(batch[0])}):
                    raise RuntimeError(f"the relay could not take records of the stream: {sorted(failed)}")
                relayed += len(batch)
            iterator = page["NextShardIterator"]
            if records:
                position = _number(records[-1])
                self._dynamodb.put_item(TableName=TABLE, Item={**_POSITION, "number": {"S": position}})
            self._next = position, iterator
            if not records:
                counts["relayed"] += relayed
                return relayed

    def _position(self) -> str | None:
        item = self._dynamodb.get_item(TableName=TABLE, Key=_POSITION, ConsistentRead=True).get("Item")
        return str(item["number"]["S"]) if item else None

    def _iterator(self, position: str | None) -> str:
        if self._next is not None and self._next[0] == position:
            return self._next[1]
        if not self._stream:
            arn = self._dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
            (shard,) = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
            self._stream = {"StreamArn": arn, "ShardId": shard["ShardId"]}
        ask = self._streams.get_shard_iterator
        if position is not None:
            try:
                after = ask(**self._stream, ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=position)
                return str(after["ShardIterator"])
            except self._streams.exceptions.TrimmedDataAccessException:
                # The emulator was started again and has forgotten its stream; what was committed since is all there is.
                pass
        return str(ask(**self._stream, ShardIteratorType="TRIM_HORIZON")["ShardIterator"])


def _as_lambda_gets(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the stream as JSON: instants are numbers."""
    change = {**record["dynamodb"]}
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    return {**record, "dynamodb": change}


def _is_entry(record: Mapping[str, Any]) -> bool:
    """The filter of the event source mapping."""
    return record["eventName"] == "INSERT" and str(record["dynamodb"]["Keys"]["sk"]["S"]).startswith("ENTRY#")


def _number(record: Mapping[str, Any]) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def pump_of(app: Any, delayed: DelayedQueues, lock: Path) -> Pump:
    """The pump of the stack whose environment this process has, with the functions of app.py."""
    urls = {queue: os.environ[f"AFTERTAB_QUEUE_{queue.upper()}"] for queue in QueueName}
    return Pump(
        table=os.environ["AFTERTAB_TABLE"],
        relay=app.relay,
        readers={QueueName.DUE: app.worker, QueueName.POST: app.post, QueueName.NOTICES: app.notices},
        urls=urls,
        delayed=delayed,
        database_url=os.environ["AWS_ENDPOINT_URL"],
        queues_url=os.environ["AWS_ENDPOINT_URL_SQS"],
        region=os.environ["AWS_REGION"],
        lock=lock,
    )
