"""The functions that read stream and queues, on the emulator's own stream and queues, pumped as in the local stack."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.aws.queues import SqsQueues, sqs_client
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.draft import Draft
from chalicelib.handlers.events import queues as handlers
from chalicelib.handlers.events import stream
from chalicelib.ports.queues import Job, QueueName
from devstack import dynamodb_table, local_queues, ministack
from devstack.local_queues import DelayedQueues
from devstack.pump import BUSY, Pump
from tests.contract.store_kit import NOW, REGION, TABLE, next_change, opening

pytestmark = pytest.mark.ministack


@dataclass
class Clock:
    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


@dataclass
class Local:
    """Table, stream and queues on an emulator of their own, and the functions that read them."""

    url: str
    lock: Path
    clock: Clock = field(default_factory=Clock)
    relayed: list[str] = field(default_factory=list)
    worked: Counter[str] = field(default_factory=Counter)
    """By tab: how often a worker got its job."""

    def __post_init__(self) -> None:
        dynamodb_table.create(self.url, TABLE, region=REGION)
        local_queues.create_table(self.url, REGION)
        self.urls = local_queues.create(self.url, REGION)
        self.sqs = local_queues.client("sqs", self.url, REGION)
        self.store = DynamoDbStore(dynamodb_client(self.url, REGION), TABLE)
        inner = SqsQueues(sqs_client(is_emulated=True), self.urls.__getitem__)
        dynamodb = local_queues.client("dynamodb", self.url, REGION)
        self.queues = DelayedQueues(inner, dynamodb, self.clock)
        self.deps = replace(bootstrap.build(clock=self.clock), queues=self.queues)

    def pump(self) -> dict[str, int]:
        """Another process each time: what one knows is gone with it."""
        return Pump(
            table=TABLE,
            relay=self._relay,
            readers={QueueName.DUE: self._work},
            urls=self.urls,
            delayed=self.queues,
            database_url=self.url,
            queues_url=self.url,
            region=REGION,
            lock=self.lock,
        ).run()

    def _relay(self, event: dict[str, Any], context: None) -> Any:
        self.relayed += [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
        return stream.relay(self.deps, event)

    def _work(self, event: dict[str, Any], context: None) -> Any:
        self.worked.update(json.loads(record["body"])["tab_id"] for record in event["Records"])
        return handlers.work(self.deps, event)

    def found(self, name: str) -> list[Any]:
        """The bodies on a queue, which are then gone from it."""
        url = self.sqs.get_queue_url(QueueName=f"aftertab-dev-{name}")["QueueUrl"]
        bodies = []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get(
            "Messages"
        ):
            bodies += [json.loads(message["Body"]) for message in batch]
        return bodies


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AFTERTAB_STAGE", "dev")
    monkeypatch.setenv("AFTERTAB_TABLE", TABLE)
    with ministack.start() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws.endpoint_url)
        yield Local(aws.endpoint_url, tmp_path / "pump.lock")


def test_a_poisoned_tab_stops_none_of_its_neighbours(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad tab in each batch of ten: the nine others are done once, it is given up after three tries."""
    tabs = [local.store.commit(opening(starts_at=NOW + timedelta(days=3))) for _ in range(30)]
    bad = {tab.tab_id for tab in tabs[::10]}
    real = due_steps.conclude

    def conclude(draft: Draft) -> Any:
        if draft.tab.tab_id in bad:
            raise ArithmeticError("poisoned")
        return real(draft)

    monkeypatch.setattr(due_steps, "conclude", conclude)
    (local.clock.instant,) = {tab.next_action_at for tab in tabs if tab.next_action_at}
    # As the sweep does, but in an order that puts one bad tab into each batch.
    for start in range(0, 30, 10):
        batch = tabs[start : start + 10]
        bodies = [json.dumps({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id}) for tab in batch]
        local.queues.send(QueueName.DUE, [Job(body=body, group="mer_a") for body in bodies])

    counts = local.pump()

    assert (counts["due"], counts["failed"]) == (27, 3)
    assert local.worked == Counter({tab.tab_id: 3 if tab.tab_id in bad else 1 for tab in tabs})
    versions = {tab.tab_id: local.store.get_tab(tab.merchant_id, tab.tab_id).version for tab in tabs}
    assert versions == {tab.tab_id: 1 if tab.tab_id in bad else 2 for tab in tabs}
    assert {body["tab_id"] for body in local.found("due-dead-letters")} == bad
    assert local.found("due") == []


def test_every_entry_is_relayed_once_across_processes(local: Local) -> None:
    """Snapshots and facts are not; a process goes on where the last one stopped."""
    first = local.store.commit(opening())
    assert local.pump()["relayed"] == len(local.relayed) > 0
    before = len(local.relayed)

    local.store.commit(next_change(first))
    second = local.store.commit(opening())
    local.pump()

    assert set(local.relayed[:before]) == {f"TAB#{first.merchant_id}#{first.tab_id}"}
    assert set(local.relayed[before:]) == {f"TAB#{tab.merchant_id}#{tab.tab_id}" for tab in (first, second)}
    committed = sum(
        len(local.store.list_entries(tab.merchant_id, tab.tab_id, limit=100, cursor=None).items)
        for tab in (first, second)
    )
    assert len(local.relayed) == committed
    assert local.pump()["relayed"] == 0


def test_a_record_of_the_stream_is_read_whole(local: Local) -> None:
    """The emulator's own record of what the store has written is an entry to the relay, with its customer."""
    tab = local.store.commit(opening())

    local.pump()

    assert local.found("relay-dead-letters") == []
    assert {key.split("#")[2] for key in local.relayed} == {tab.tab_id}


def test_a_delayed_job_comes_at_its_business_time(local: Local) -> None:
    """Five minutes later by the clock that stories move; no wall clock has to reach it."""
    tab = local.store.commit(opening())
    body = msgspec.json.encode({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id}).decode()
    local.queues.send(QueueName.DUE, [Job(body=body, group="mer_a", delay_s=300)])

    assert local.pump()["due"] == 0
    local.clock.instant += timedelta(seconds=299)
    assert local.pump()["due"] == 0
    local.clock.instant += timedelta(seconds=1)
    assert local.pump()["due"] == 1
    assert local.pump()["due"] == 0


def test_a_job_that_comes_back_while_the_pump_looks_around_is_done(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue was empty a moment ago, and now nobody has the job any more: it is in the queue again."""
    tab = local.store.commit(opening())
    local.pump()
    body = json.dumps({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id})
    wait = Pump._wait_for_others
    come_back = [Job(body=body, group="mer_a")]

    def late(pump: Pump) -> bool:
        if come_back:
            local.queues.send(QueueName.DUE, [come_back.pop()])
        return wait(pump)

    monkeypatch.setattr(Pump, "_wait_for_others", late)
    local.lock.write_text(BUSY)
    assert local.pump()["due"] == 1


def test_a_job_in_the_hands_of_a_killed_process_is_waited_for(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump ends when nothing is left, and that job is not done yet."""
    tab = local.store.commit(opening())
    body = json.dumps({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id})
    local.queues.send(QueueName.DUE, [Job(body=body, group="mer_a")])
    taken = local.sqs.receive_message(QueueUrl=local.urls[QueueName.DUE], VisibilityTimeout=1)["Messages"]
    assert len(taken) == 1
    # Killed before it could write down which jobs these are.
    local.lock.write_text(BUSY)

    assert local.pump()["due"] == 1


def test_what_a_killed_pump_had_in_its_hands_is_done_at_once(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting until the queue shows it again, which takes seconds by the wall clock."""
    tab = local.store.commit(opening())
    body = json.dumps({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id})
    local.queues.send(QueueName.DUE, [Job(body=body, group="mer_a")])
    work = local._work

    def killed(event: dict[str, Any], context: None) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "_work", killed)
    with pytest.raises(KeyboardInterrupt):
        local.pump()
    monkeypatch.setattr(local, "_work", work)
    monkeypatch.setattr(Pump, "_wait_for_others", lambda pump: False)

    assert local.pump()["due"] == 1
    assert local.pump()["due"] == 0
