"""`make bench-cold`: starts ours and the peers, each as often, and fails where a promise is missed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cold.backend import Backend
from bench.cold.story import Story, proxy_event
from bench.cold.trees import Trees, build
from bench.instructions import instructions
from devstack.package import __main__ as package

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".devstack" / "bench-cold"
PROBE = Path(__file__).with_name("probe.py")
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PYTHON = os.path.realpath(sys.executable)
"""The interpreter itself, outside its virtual environment: functions see their bundle and the standard library."""
ROUNDS = 28
"""Twice through all orders."""
API, WEBHOOK = "app.app", "app.webhook"


@dataclass(frozen=True, slots=True)
class Case:
    """One function, from one tree, started afresh and sent some events. `expected`: the statuses of its answers."""

    name: str
    trees: str
    handler: str
    events: Path | None = None
    expected: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """One start. Processor time of the process, from its creation; time on the clock from when the parent made it."""

    ready_ms: float
    done_ms: float
    done_wall_ms: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Promise:
    text: str
    value: float
    limit: float
    unit: str = "×"

    @property
    def is_kept(self) -> bool:
        return self.value <= self.limit


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-cold", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--package", type=Path, help="a zip of `make package`, instead of making one")
    parser.add_argument("--without-instructions", action="store_true", help="leave valgrind out, which takes a minute")
    options = parser.parse_args()
    zipped = options.package
    if zipped is None:
        print(package.make("dev", WORK.with_name("bench-cold-package"), package.HERE))
        zipped = WORK.with_name("bench-cold-package") / "deployment.zip"
    trees = build(WORK, zipped, PEERS_PYTHON)
    with contextlib.closing(Backend()) as backend:
        os.environ |= _settings(backend.url)
        cases, reset = _cases(trees, backend)
        found: dict[str, list[Start]] = {case.name: [] for case in cases}
        orders = _orders(cases)
        for number in range(options.rounds + 1):
            for case in orders[number % len(orders)]:
                reset()
                started = _start(case)
                if number:  # The first round fills the disk's cache.
                    found[case.name].append(started)
            print(".", end="", flush=True, file=sys.stderr)
        print(file=sys.stderr)
        counted = {} if options.without_instructions else _counted(cases, reset)
    return _report(found, counted, zipped)


def _settings(url: str) -> dict[str, str]:
    return {
        "AFTERTAB_STAGE": "dev",
        "AFTERTAB_TABLE": "aftertab-bench",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "STRIPE_API_BASE": url,
        "STRIPE_SECRET_KEY": "sk_test_bench",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
        "STRIPE_WEBHOOK_SECRET": "bench",
    }


def _cases(trees: Trees, backend: Backend) -> tuple[list[Case], Callable[[], None]]:
    """What is started, and how the table is brought back to where the first request finds it."""
    import app

    story = Story(app.app)
    before = dict(backend.items)

    def reset() -> None:
        backend.items = dict(before)

    def file(name: str, events: list[dict[str, Any]]) -> Path:
        path = WORK / f"{name}.json"
        path.write_text(json.dumps(events))
        return path

    hello, looking = file("hello", [proxy_event("GET", "/")]), file("looking", story.looking())
    charging = file("charging", story.charging())
    return [
        Case("base", trees.base, API, hello, (200,)),
        Case("floor", trees.floor, API, looking, (200,)),
        Case("ours", trees.ours, API, looking, (200,)),
        Case("charge", trees.ours, API, charging, (200, 200)),
        Case("fastapi", trees.fastapi, API, hello, (200,)),
        Case("compiled", trees.compiled, API, looking, (200,)),
        Case("webhook", trees.ours, WEBHOOK),
    ], reset


def _orders(cases: Sequence[Case]) -> list[list[Case]]:
    """Orders in which each case follows each other one equally often (a Williams design).

    A start that follows a large one may find the processor's caches full of that. Orders drawn at random let some cases
    follow others more often.
    """
    count = len(cases)
    zigzag = [(place + 1) // 2 * (1 if place % 2 else -1) for place in range(count)]
    orders = [[cases[(place + first) % count] for place in zigzag] for first in range(count)]
    return [order for both in zip(orders, (order[::-1] for order in orders), strict=True) for order in both]


def _start(case: Case) -> Start:
    import time

    began_ns = time.monotonic_ns()
    answer = subprocess.run(
        _command(case, case.events), env=_environment(case), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"{case.name} does not start:\n{answer.stderr}")
    ready_ns, _, done_ns, done_wall_ns, peak_kb, *statuses = map(int, answer.stdout.split("\n")[-2].split())
    if tuple(statuses) != case.expected:
        raise SystemExit(f"{case.name} answered {statuses}:\n{answer.stdout}{answer.stderr}")
    return Start(ready_ns / 1e6, done_ns / 1e6, (done_wall_ns - began_ns) / 1e6, peak_kb / 1000)


def _command(case: Case, events: Path | None) -> list[str]:
    # Isolated, without site-packages, and writing no bytecode: Lambda's disk is read-only.
    return [PYTHON, "-I", "-S", "-B", str(PROBE), case.trees, case.handler, str(events or "")]


def _environment(case: Case) -> dict[str, str]:
    """What Lambda tells a function, and our settings."""
    settings = _settings(os.environ["AWS_ENDPOINT_URL"])
    root = case.trees.split(":")[-1]
    return settings | {
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "_HANDLER": case.handler,
        "LANG": "en_US.UTF-8",
        "LAMBDA_TASK_ROOT": root,
        # As `.chalice/config.json` has it; to the peers it says nothing.
        "AWS_DATA_PATH": "$LAMBDA_TASK_ROOT/aws_models",
        "PYTHONTZPATH": f"{root}/tzdata/zoneinfo",
    }


def _counted(cases: list[Case], reset: Callable[[], None]) -> dict[str, tuple[int, int]]:
    """Instructions until ready, and until the requests are answered: of BASE, floor, ours, charge and FastAPI."""
    counted = {}
    for case in cases[:5]:
        reset()
        counted[case.name] = _instructions(case, None), _instructions(case, case.events)
    return counted


def _instructions(case: Case, events: Path | None) -> int:
    return instructions(_command(case, events), _environment(case) | {"PATH": os.environ["PATH"]})


def _report(found: dict[str, list[Start]], counted: dict[str, tuple[int, int]], zipped: Path) -> int:
    def median(name: str, of: str) -> float:
        return statistics.median(getattr(start, of) for start in found[name])

    def ratio(name: str, of: str, peer: str) -> float:
        """The median of each round's: a machine that is slower for a while is so for all of a round."""
        rounds = zip(found[name], found[peer], strict=True)
        return statistics.median(getattr(mine, of) / getattr(theirs, of) for mine, theirs in rounds)

    print(f"\n{'':12}{'until ready':>12}{'and answered':>14}{'of BASE':>9}{'on the clock':>14}{'peak':>9}")
    for name in found:
        done = median(name, "done_ms")
        print(
            f"{name:12}{median(name, 'ready_ms'):9.0f} ms{done:11.0f} ms{ratio(name, 'done_ms', 'base'):8.2f}×"
            f"{median(name, 'done_wall_ms'):11.0f} ms{median(name, 'peak_mb'):6.1f} MB"
        )

    def after_ready(name: str) -> float:
        """What is left of the work once the function is ready: all that a start from a snapshot waits for, of BASE."""
        rounds = zip(found[name], found["base"], strict=True)
        return statistics.median((mine.done_ms - mine.ready_ms) / base.done_ms for mine, base in rounds)

    promises = [
        Promise("start + first request, of BASE", ratio("ours", "done_ms", "base"), 0.78),
        Promise("start + complete and charge, of BASE", ratio("charge", "done_ms", "base"), 1.0),
        Promise("ready → first answer, of BASE's start", after_ready("ours"), 0.04),
        Promise("ready → charged, of BASE's start", after_ready("charge"), 0.35),
        Promise("start, of the tree compiled in place", ratio("ours", "ready_ms", "compiled"), 1.05),
        Promise("peak of the API function", median("ours", "peak_mb"), 50, " MB"),
        Promise("peak of the webhook function", median("webhook", "peak_mb"), 50, " MB"),
        Promise("zip", zipped.stat().st_size / 1e6, 12, " MB"),
    ]
    if counted:
        print("\nmillions of instructions until ready, and answered")
        for name, (ready_count, done_count) in counted.items():
            share = done_count / counted["base"][1]
            print(f"{name:12}{ready_count / 1e6:9.0f}   {done_count / 1e6:11.0f}   {share:8.2f}×")
    above = ratio("ours", "done_ms", "floor")
    print(f"\nours is {above:.2f}× the floor: Chalice, boto3's client as ours is made and one GetItem, without the app")
    print()
    for promise in promises:
        mark = "✓" if promise.is_kept else "✗"
        print(f"{mark} {promise.text:42} {promise.value:6.2f}{promise.unit:3}  at most {promise.limit:g}{promise.unit}")
    missed = [promise.text for promise in promises if not promise.is_kept]
    kept = f"{len(promises) - len(missed)} of {len(promises)} promises kept"
    print(f"\ncold start: {kept}, medians of {len(found['base'])} starts each")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
