"""`make redrive` on the emulator's queues: dead letters go back whole, and what can't be taken stays."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from devstack import dynamodb_table, local_queues, ministack
from devstack.deploy.redrive import NotTaken, Redrive, about
from tests.contract.store_kit import REGION, TABLE, opening

pytestmark = pytest.mark.ministack


class Relay:
    """Stands for the deployed functions; `refuses`: they answer that what they got has to come again."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.refuses = False

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert Qualifier == "live"
        if FunctionName == "aftertab-dev-feedback":
            self.reports.append(json.loads(Payload))
            answer: dict[str, Any] = {"Payload": io.BytesIO(b"{}")}
            return answer | ({"FunctionError": "Unhandled"} if self.refuses else {})
        assert FunctionName == "aftertab-dev-relay"
        failed = [{"itemIdentifier": "1"}] if self.refuses else []
        self.records += json.loads(Payload)["Records"]
        return {"Payload": io.BytesIO(json.dumps({"batchItemFailures": failed}).encode())}


class Stage:
    def __init__(self, url: str) -> None:
        self.url = url
        self.relay = Relay()
        self.said: list[str] = []
        local_queues.create(url, REGION)
        self.sqs = local_queues.client("sqs", url, REGION)
        self.sqs.create_queue(QueueName="aftertab-dev-dead-letters")

    def client(self, service: str) -> Any:
        return self.relay if service == "lambda" else local_queues.client(service, self.url, REGION)

    def redrive(self, queue: str) -> int:
        return Redrive(self.client, "dev", self.said.append).run(queue)

    def queue(self, name: str) -> str:
        url: str = self.sqs.get_queue_url(QueueName=f"aftertab-dev-{name}")["QueueUrl"]
        return url

    def put(self, name: str, body: dict[str, Any]) -> None:
        self.sqs.send_message(QueueUrl=self.queue(name), MessageBody=json.dumps(body), MessageGroupId="mer_1")

    def read(self, name: str) -> list[tuple[Any, str]]:
        found = []
        ask = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], "VisibilityTimeout": 0}
        for message in self.sqs.receive_message(QueueUrl=self.queue(name), **ask).get("Messages", []):
            found.append((json.loads(message["Body"]), message["Attributes"]["MessageGroupId"]))
        return found


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with ministack.start() as aws:
        yield aws.endpoint_url


@pytest.fixture
def stage(emulator: str) -> Stage:
    made = Stage(emulator)
    for queue in ("due", "post", "notices"):
        made.sqs.purge_queue(QueueUrl=made.queue(queue))
        made.sqs.purge_queue(QueueUrl=made.queue(f"{queue}-dead-letters"))
    made.sqs.purge_queue(QueueUrl=made.queue("relay-dead-letters"))
    made.sqs.purge_queue(QueueUrl=made.queue("dead-letters"))
    return made


@pytest.mark.parametrize("queue", ["due", "post", "notices"])
def test_dead_letters_go_back_to_their_queue(stage: Stage, queue: str) -> None:
    """Each with its merchant, so that the queue stays fair; and it is said which they are."""
    bodies = [{"merchant_id": "mer_1", "tab_id": f"tab_{number}"} for number in range(3)]
    for body in bodies:
        stage.put(f"{queue}-dead-letters", body)

    assert stage.redrive(queue) == 3

    assert sorted(stage.read(queue), key=str) == [(body, "mer_1") for body in bodies]
    assert stage.read(f"{queue}-dead-letters") == []
    assert sorted(stage.said) == [f"{queue}: tab_id tab_{number} merchant_id mer_1" for number in range(3)]
    assert stage.redrive(queue) == 0


RECORD = {
    "eventName": "INSERT",
    "dynamodb": {
        "Keys": {"pk": {"S": "TAB#mer_1#tab_1"}, "sk": {"S": "ENTRY#00000001"}},
        "NewImage": {"pk": {"S": "TAB#mer_1#tab_1"}},
        "SequenceNumber": "1",
    },
}


def test_what_the_relay_has_put_aside_is_relayed_again(stage: Stage) -> None:
    """The letter is the record as it came."""
    stage.put("relay-dead-letters", RECORD)

    assert stage.redrive("relay") == 1

    assert stage.relay.records == [RECORD]
    assert stage.said == ["relay: TAB#mer_1#tab_1 ENTRY#00000001"]
    assert stage.read("relay-dead-letters") == []


def test_what_the_relay_can_not_take_stays(stage: Stage) -> None:
    """It is among the dead letters still, and the run ends with the reason."""
    stage.put("relay-dead-letters", RECORD)
    stage.relay.refuses = True

    with pytest.raises(NotTaken, match="ENTRY#00000001"):
        stage.redrive("relay")

    attributes = stage.sqs.get_queue_attributes(
        QueueUrl=stage.queue("relay-dead-letters"), AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert attributes["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}


def letter_of(function: str, event: dict[str, Any]) -> dict[str, Any]:
    """As Lambda writes it: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:aftertab-dev-{function}:live"
    context = {"requestId": "r-1", "functionArn": arn, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    return {"version": "1.0", "requestContext": context, "requestPayload": event}


STOP = {"Records": [{"Sns": {"Message": '{"originationNumber": "+491701234567", "messageBody": "STOP"}'}}]}


def test_a_report_that_was_given_up_is_taken_again(stage: Stage) -> None:
    """It may be somebody's STOP. No address is shown; what the schedule has left in the same queue stays there."""
    stage.put("dead-letters", letter_of("feedback", STOP))
    stage.put("dead-letters", letter_of("sweep", {"source": "aws.events"}))

    assert stage.redrive("feedback") == 1

    assert stage.relay.reports == [STOP]
    assert stage.said == ["feedback: a report on a mail or a text"]


def test_a_report_that_fails_again_stays(stage: Stage) -> None:
    """The run ends, and says no address either."""
    stage.put("dead-letters", letter_of("feedback", STOP))
    stage.relay.refuses = True

    with pytest.raises(NotTaken) as stopped:
        stage.redrive("feedback")

    assert "+49" not in str(stopped.value)


def test_a_batch_that_lambda_gave_up_is_read_from_the_stream(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda keeps its place only. Of what lies there the entries are relayed, and nothing beyond it."""
    dynamodb_table.create(stage.url, TABLE, region=REGION)
    store = DynamoDbStore(dynamodb_client(stage.url, REGION), TABLE)
    first, second = (store.commit(opening()) for _ in range(2))
    streams = stage.client("dynamodbstreams")
    arn = streams.list_streams(TableName=TABLE)["Streams"][0]["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    begin = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=begin["ShardIterator"])["Records"]
    of_first = [record for record in records if first.tab_id in record["dynamodb"]["Keys"]["pk"]["S"]]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in of_first]
    info = {"streamArn": arn, "shardId": shard["ShardId"]}
    info |= {"startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1], "batchSize": str(len(numbers))}
    stage.put("relay-dead-letters", {"requestContext": {}, "version": "1.0", "DDBStreamBatchInfo": info})

    assert stage.redrive("relay") == 1

    keys = [record["dynamodb"]["Keys"] for record in stage.relay.records]
    assert {key["sk"]["S"].split("#")[0] for key in keys} == {"ENTRY"}
    assert {key["pk"]["S"] for key in keys} == {f"TAB#{first.merchant_id}#{first.tab_id}"}
    assert second.tab_id not in json.dumps(stage.relay.records)
    assert stage.said == ["relay: a batch of the stream"]


def test_a_letter_is_shown_by_its_ids_alone() -> None:
    """Values are amounts of somebody's bill."""
    assert about('{"message_id": "tab_1.1.reminder.customer", "values": {"number": 7}}') == (
        "message_id tab_1.1.reminder.customer"
    )
