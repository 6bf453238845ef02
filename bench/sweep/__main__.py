"""Measure the sweep and its workers: requests and capacity, processor time, fairness, and time with 1, 2, 4 workers.

    make bench-sweep        or   python -m bench.sweep [--tabs 500] [--rounds 5] [--base 80861af]

Everything runs against one ministack on this machine. Processor time is compared with the sweep of an earlier commit,
which advanced the tabs inline: both sides run in turns, each in a process of its own, on equal tabs, so that whatever
else the machine does hits both; the figure is the median of the rounds' ratios. A third of the tabs are due for a
reminder, a third for the end of their review without a charge, and a third for a charge. This side uses the AWS SDK as
it is packaged, with short descriptions of the services. Ends with 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import botocore

from bench.sweep import capacity, fairness
from devstack import ministack
from devstack.package import contents

ROOT = Path(__file__).resolve().parents[2]
BASE = "80861af"
KINDS = ("reminder", "review", "charge")
REQUESTS, SPEED, WAITING = 1.05, 2.0, 2.0
"""What is promised: at most, at least, at most."""
WORKERS = (1, 2, 4)
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AFTERTAB_STAGE": "dev",
    "AWS_DEFAULT_REGION": "eu-west-1",
}

Ask = Callable[..., dict[str, Any]]


@contextmanager
def side(tree: Path, endpoint: str, table: str) -> Iterator[Ask]:
    """A process in this tree, which is asked by keyword: `ask(do="work")`."""
    environment = {**os.environ, **AWS, "PYTHONPATH": str(tree)}
    if tree != ROOT:
        environment.pop("BENCH_AWS_MODELS", None)
    command = [sys.executable, str(ROOT / "bench" / "sweep" / "side.py"), endpoint, table]
    running = subprocess.Popen(
        command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdin is not None
    assert running.stdout is not None
    commands, answers = running.stdin, running.stdout

    def ask(**command: Any) -> dict[str, Any]:
        tell(**command)
        return hear()

    def tell(**command: Any) -> None:
        commands.write(json.dumps(command) + "\n")
        commands.flush()

    def hear() -> dict[str, Any]:
        line = answers.readline()
        if not line:
            raise RuntimeError(f"the process in {tree} ended with {running.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    ask.tell, ask.hear = tell, hear  # type: ignore[attr-defined]
    try:
        yield ask
    finally:
        running.terminate()
        running.wait(30)


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The commit's files in a folder of its own, for as long as the context lasts."""
    parts = ["app.py", "chalicelib", "devstack", "tests", ".chalice"]
    archive = subprocess.run(["git", "archive", commit, *parts], cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as made:
        with tarfile.open(fileobj=BytesIO(archive)) as packed:
            packed.extractall(made, filter="data")
        yield Path(made)


def speed(endpoint: str, commit: str, tabs: int, rounds: int) -> float:
    """Tabs a second of processor time, the worker's by the inline sweep's: the median of the rounds."""
    ratios = []
    with (
        tree_of(commit) as tree,
        side(tree, endpoint, "bench-sweep-base") as base,
        side(ROOT, endpoint, "bench-sweep-now") as now,
    ):
        for number in range(rounds + 1):
            rates = {}
            for name, ask, how in (("inline", base, "inline"), ("worker", now, "work")):
                for kind in KINDS:
                    ask(do="fill", kind=kind, count=tabs // len(KINDS))
                found = ask(do=how)
                assert found["done"] == tabs // len(KINDS) * len(KINDS), f"{name}: {found}"
                rates[name] = found["done"] / found["cpu_s"]
            # The first round imports and connects.
            if number:
                ratios.append(rates["worker"] / rates["inline"])
                print("  " + ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items()), flush=True)
    return median(ratios)


def wall_clock(endpoint: str, tabs: int) -> Iterator[tuple[int, float]]:
    """Tabs a second of the wall with so many workers, which share one queue."""
    sqs: Any = boto3.client("sqs", endpoint_url=endpoint, region_name="eu-west-1")
    for count in WORKERS:
        table = f"bench-sweep-wall-{count}"
        url = sqs.create_queue(QueueName=table)["QueueUrl"]
        with ExitStack() as stack:
            asks: list[Any] = [stack.enter_context(side(ROOT, endpoint, table)) for _ in range(count)]
            for kind in KINDS:
                asks[0](do="fill", kind=kind, count=tabs // len(KINDS))
            asks[0](do="send", queue_url=url)
            for ask in asks:
                ask.tell(do="drain", queue_url=url)
            found = [ask.hear() for ask in asks]
            yield count, sum(each["done"] for each in found) / max(each["wall_s"] for each in found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tabs", type=int, default=600, help="due tabs in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base", default=BASE, help="the commit to compare with")
    options = parser.parse_args()
    os.environ.update(AWS)

    figures: list[tuple[str, float, bool, str]] = []
    with ministack.start() as emulator:
        endpoint = emulator.endpoint_url
        print(f"1 · {capacity.DUE:,} due tabs: requests and capacity")
        few, many = capacity.measure(endpoint)
        for among, usage in ((capacity.FEW, few), (capacity.MANY, many)):
            print(f"  among {among:,}: {capacity.told(usage)}")
        for name, before, after in zip(
            ("requests", "capacity units"), capacity.total(few), capacity.total(many), strict=True
        ):
            ratio = after / before
            what = f"{name}, among {capacity.MANY:,} by among {capacity.FEW:,}"
            figures.append((what, ratio, ratio <= REQUESTS, f"at most {REQUESTS}"))
    with ministack.start() as emulator, tempfile.TemporaryDirectory(prefix="bench-sweep-") as models:
        endpoint = emulator.endpoint_url
        contents.describe_aws(Path(botocore.__file__).parent / "data", Path(models))
        os.environ |= {"AWS_ENDPOINT_URL": endpoint, "BENCH_AWS_MODELS": models}
        print(f"2 · tabs a second of processor time, the worker beside the inline sweep of {options.base}")
        ratio = speed(endpoint, options.base, options.tabs, options.rounds)
        figures.append(("tabs a second of processor time, by inline", ratio, ratio >= SPEED, f"at least {SPEED}"))
        print(f"3 · {fairness.DUE:,} due tabs, {fairness.LOUD_PART:.0%} of them of one merchant")
        without, with_loud = fairness.measure(endpoint)
        print(f"  95th percentile of the others, in batches: {without} without that merchant, {with_loud} with them")
        ratio = with_loud / without
        figures.append(("waiting of the others, 95th percentile", ratio, ratio <= WAITING, f"at most {WAITING}"))
        print("4 · workers on one queue (the emulator is one process)")
        for count, rate in wall_clock(endpoint, options.tabs):
            print(f"  {count}: {rate:,.0f} tabs a second of the wall")

    print(f"\n{'figure':48}{'measured':>10}   {'promised':16}")
    for name, ratio, is_kept, promise in figures:
        print(f"{name:48}{f'x {ratio:.2f}':>10}   {promise:16}{'kept' if is_kept else 'MISSED'}")
    return 0 if all(is_kept for _, _, is_kept, _ in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
