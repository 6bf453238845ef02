"""`make redrive`: takes dead letters back to where they came from, once what they failed on is mended.

Dead letters of `due`, `post` and `notices` go back to their queue. Those of `relay` are given to the relay again: whole
records that it had put aside, and places in the stream that Lambda had given up, as long as the stream keeps them.
Reports on mails and texts, maybe an opt-out, are in the queue of calls that nobody waits for: `feedback` gets its own.
A letter is deleted after it was handed over, so a run that is broken off loses none; one may then be handled twice.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from devstack.deploy import account
from devstack.deploy.change_set import stack_name
from devstack.deploy.template import ALIAS

RELAY = "relay"
FEEDBACK = "feedback"
QUEUES = ("due", "post", "notices", RELAY)
"""Those with dead letters of their own."""
VISIBILITY_S = 300
_IDS = ("tab_id", "message_id", "kind", "endpoint_id", "notice_id", "merchant_id")
"""What is shown of a body: no text and no value."""


class NotTaken(Exception):
    """The function could not take it again; it stays among the dead letters. The function's log says why."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """`client`: name of a service → its boto3 client. `say` is called with a line for each letter."""

    client: Callable[[str], Any]
    stage: str
    say: Callable[[str], None]

    def run(self, queue: str) -> int:
        """Take the queue's dead letters back; returns how many. Raises NotTaken."""
        sqs = self.client("sqs")
        target = None if queue in (RELAY, FEEDBACK) else self._url(queue)
        letters = self._url("dead-letters" if queue == FEEDBACK else f"{queue}-dead-letters")
        moved = 0
        for letter in self._letters(letters):
            if queue == FEEDBACK:
                if not self._report(json.loads(letter["Body"])):
                    continue
            elif target is None:
                for record in self._records(json.loads(letter["Body"])):
                    self._relay(record)
            else:
                group = letter["Attributes"].get("MessageGroupId")
                sqs.send_message(
                    QueueUrl=target, MessageBody=letter["Body"], **({"MessageGroupId": group} if group else {})
                )
            sqs.delete_message(QueueUrl=letters, ReceiptHandle=letter["ReceiptHandle"])
            self.say(f"{queue}: {about(letter['Body'])}")
            moved += 1
        return moved

    def _url(self, queue: str) -> str:
        url: str = self.client("sqs").get_queue_url(QueueName=f"{stack_name(self.stage)}-{queue}")["QueueUrl"]
        return url

    def _letters(self, url: str) -> Iterator[dict[str, Any]]:
        """Each letter that was there at the beginning, and none that comes back while this runs."""
        began = datetime.now(UTC).timestamp() * 1000
        receive = self.client("sqs").receive_message
        ask = {"MaxNumberOfMessages": 10, "VisibilityTimeout": VISIBILITY_S, "MessageSystemAttributeNames": ["All"]}
        while batch := receive(QueueUrl=url, **ask).get("Messages", []):
            yield from (letter for letter in batch if int(letter["Attributes"]["SentTimestamp"]) <= began)

    def _call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """The function's answer. Raises NotTaken without what it says: that may hold an address."""
        name = f"{stack_name(self.stage)}-{function}"
        answer = self.client("lambda").invoke(FunctionName=name, Qualifier=ALIAS, Payload=json.dumps(event))
        if "FunctionError" in answer:
            raise NotTaken(f"{name} has failed; its log says why.")
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        return told

    # Reports on mails and texts

    def _report(self, body: dict[str, Any]) -> bool:
        """Whether the letter is a report; then the function has taken it. The queue has other functions' letters, too.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        function = body.get("requestContext", {}).get("functionArn", "")
        if f":{stack_name(self.stage)}-{FEEDBACK}" not in function:
            return False
        self._call(FEEDBACK, body["requestPayload"])
        return True

    # The relay

    def _relay(self, record: dict[str, Any]) -> None:
        if self._call(RELAY, {"Records": [record]})["batchItemFailures"]:
            raise NotTaken(f"The relay could not take {about(json.dumps(record))}; its log says why.")

    def _records(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The record itself, or those of the batch that Lambda has given up: it names only their places.

        https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
        """
        batch = body.get("DDBStreamBatchInfo")
        if batch is None:
            yield body
            return
        streams = self.client("dynamodbstreams")
        iterator = streams.get_shard_iterator(
            StreamArn=batch["streamArn"],
            ShardId=batch["shardId"],
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch["startSequenceNumber"],
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                if int(record["dynamodb"]["SequenceNumber"]) > int(batch["endSequenceNumber"]):
                    return
                if record["eventName"] == "INSERT" and record["dynamodb"]["Keys"]["sk"]["S"].startswith("ENTRY#"):
                    record["dynamodb"].pop("ApproximateCreationDateTime", None)
                    yield record
            iterator = page.get("NextShardIterator") if page["Records"] else None


def about(body: str) -> str:
    """The ids in a letter."""
    said = json.loads(body)
    if "requestPayload" in said:
        return "a report on a mail or a text"
    if "dynamodb" in said:
        return " ".join(key["S"] for key in said["dynamodb"]["Keys"].values())
    return " ".join(f"{name} {said[name]}" for name in _IDS if said.get(name)) or "a batch of the stream"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make redrive", description=__doc__)
    parser.add_argument("--stage", default="dev", type=account.stage)
    parser.add_argument("--queue", choices=(*QUEUES, FEEDBACK), required=True)
    given = parser.parse_args()
    try:
        redrive = Redrive(account.client_of(), given.stage, print)
        moved = redrive.run(given.queue)
    except account.NoAccount as missing:
        print(missing, file=sys.stderr)
        return 2
    except (NotTaken, ClientError, BotoCoreError) as failure:
        print(f"Stopped; what was not named above is still among the dead letters. {failure}", file=sys.stderr)
        return 1
    print(f"{moved} dead letters of {given.queue} were taken back in {stack_name(given.stage)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
