"""One side of the comparison: fills a table with due tabs and advances them, with the tree that it runs in.

    python side.py <endpoint> <table>

It runs in this tree, and in that of an earlier commit, whose sweep read the index and advanced every tab itself. Its
modules have other names, so those that differ are imported by name. Commands are lines of JSON on standard input; each
is answered by a line. The gateway is the fake of the tree's own tests: what is measured is our code and the AWS SDK.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import logging
import os
import sys
import time
from datetime import timedelta
from typing import Any

import boto3
from msgspec.structs import replace

AT_ONCE = 8
"""The tabs that the inline sweep advanced at a time, as its app.py said."""
BATCH = 10
PUT_AT_ONCE = 25


def load(*names: str) -> Any:
    """The module under the first of these names that this tree has."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(names)


class Side:
    def __init__(self, endpoint: str, table_name: str) -> None:
        store = load("chalicelib.adapters.dynamodb.store", "chalicelib.adapters.dynamodb_store")
        self.items = load("chalicelib.adapters.dynamodb.items", "chalicelib.adapters.dynamodb_items")
        self.advance_tab = load("chalicelib.usecases.tab.advance_tab", "chalicelib.usecases.advance_tab")
        self.shops = load("tests.usecases.shop")
        self.table_name = table_name
        self.client: Any = boto3.client("dynamodb", endpoint_url=endpoint, region_name="eu-west-1")
        self.sqs: Any = boto3.client("sqs", endpoint_url=endpoint, region_name="eu-west-1")
        if not self.client.list_tables()["TableNames"].count(table_name):
            load("devstack.dynamodb_table", "devstack.table").create_with(self.client, table_name)
        self.shop = self.shops.Shop()
        self.templates = self._templates()
        # As in the package, whose descriptions of AWS's services are short (devstack/package/contents.py).
        if models := os.environ.get("BENCH_AWS_MODELS"):
            os.environ["AWS_DATA_PATH"] = models
            boto3.setup_default_session()
        client = store.dynamodb_client(endpoint, "eu-west-1")
        self.deps = replace(self.shop.deps, store=store.DynamoDbStore(client, table_name))
        self.number = 0
        self._log_as_on_lambda()
        # As the deployed function does at the end of its start.
        gc.collect()
        gc.freeze()

    def _templates(self) -> dict[str, Any]:
        """A tab of each kind. One thing is due on each from the moment that the clock then shows.

        `reminder`: of an unpaid bill. `review`: its window ends, and nothing may be charged. `charge`: its window ends,
        and the saved card is charged.
        """
        shop, shops = self.shop, self.shops
        shop.open(*shops.WITHOUT_CARD).serve(50_00)
        shop.wait(days=1)
        reminder = shop.tab
        shop.open(*shops.WITHOUT_CARD).serve(50_00)
        review = shop.tab
        shop.open(*shops.EVERYTHING).serve(50_00)
        charge = shop.tab
        shop.clock.instant += timedelta(days=1)
        return {"reminder": reminder, "review": review, "charge": charge}

    def _log_as_on_lambda(self) -> None:
        """There, every entry of a tab is a line of JSON."""
        self.lines = io.StringIO()
        handler = logging.StreamHandler(self.lines)
        handler.setFormatter(load("chalicelib.handlers.logs").JsonLines())
        logging.getLogger().addHandler(handler)
        logging.getLogger("chalicelib").setLevel(logging.INFO)

    def fill(self, kind: str, count: int) -> dict[str, Any]:
        """Put so many due tabs into the table, not measured."""
        puts = []
        for _ in range(count):
            self.number += 1
            tab = replace(self.templates[kind], tab_id=f"tab_{self.number:026}")
            puts.append({"PutRequest": {"Item": self.items.tab_item(tab)}})
        for start in range(0, count, PUT_AT_ONCE):
            part = puts[start : start + PUT_AT_ONCE]
            assert not self.client.batch_write_item(RequestItems={self.table_name: part})["UnprocessedItems"]
        return {}

    def inline(self) -> dict[str, Any]:
        """Advance all that is due in one run, as the earlier commit's schedule did."""
        return self._measured(lambda: self.advance_tab.advance_due_tabs(self.deps, at_once=AT_ONCE).advanced)

    def work(self) -> dict[str, Any]:
        """Advance all that is due as the worker does, batch by batch. Finding it is the sweep's and is not in it."""
        jobs = [
            json.dumps({"merchant_id": due.merchant_id, "tab_id": due.tab_id})
            for due in self.deps.store.iter_due(self.deps.clock.now())
        ]
        batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
        return self._measured(lambda: sum(len(batch) for batch in batches if not self._work(batch)))

    def send(self, queue_url: str) -> dict[str, Any]:
        """Sweep: send all that is due to a queue."""
        queues = load("chalicelib.adapters.aws.queues")
        deps = replace(self.deps, queues=queues.SqsQueues(self.sqs, lambda queue: queue_url))
        return {"sent": self.advance_tab.sweep(deps).due}

    def drain(self, queue_url: str) -> dict[str, Any]:
        """Empty a queue as Lambda does for a worker: ten messages at a time, deleted when they are done."""
        return self._measured(lambda: self._drain(queue_url))

    def _drain(self, queue_url: str) -> int:
        done = 0
        while True:
            answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=BATCH)
            messages = answer.get("Messages", [])
            if not messages:
                return done
            failed = self._work([message["Body"] for message in messages])
            assert not failed, f"{len(failed)} jobs failed"
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            self.sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
            done += len(messages)

    def _work(self, batch: list[str]) -> Any:
        return self.advance_tab.work(self.deps, batch)

    def _measured(self, act: Any) -> dict[str, Any]:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        done = act()
        taken = {"done": done, "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
        self.lines.seek(0)
        self.lines.truncate()
        return taken

    def left(self) -> dict[str, Any]:
        return {"due": sum(1 for _ in self.deps.store.iter_due(self.deps.clock.now()))}


def main() -> None:
    side = Side(*sys.argv[1:])
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(side, command.pop("do"))(**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
