"""`make bench-warm`: processor time inside our process, per operation, beside its peers' in the same run.

Each side is a process of its own that reads how many calls to make, makes them, and says what they cost. In each round,
what a promise compares is measured one after the other, in the next round the other way round, and what counts is the
median of the rounds' ratios: a machine that is slower for a while is so for both. Fails where a promise of
docs/performance.md is broken. `--rounds N`; `--without djstripe` and `--without sync-engine` do without PostgreSQL and
Node.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import botocore

from devstack.package import contents

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = ROOT / ".venv-bench" / "bin" / "python"
NODE = ROOT / ".devstack" / "bench" / "node"
SYNC_ENGINE = "@supabase/stripe-sync-engine@0.48.5"

CALLS = {
    "get tab": 5000,
    "add item": 1000,
    "dispatch": 3000,
    "webhook": 250,
    "webhook again": 300,
}
"""Of each round: some tenths of a second, so that what it takes to get going counts little."""


@dataclass(frozen=True)
class Promise:
    """One operation of ours costs at most `most` times what a peer's does."""

    ours: str
    peer: str
    theirs: str
    most: float


BARE = "FastAPI + Mangum, bare"
PROMISES = (
    Promise("get tab", BARE, "dispatch", most=0.5),
    Promise("webhook", "dj-stripe", "webhook", most=0.16),
)


class Side:
    """One of the processes."""

    def __init__(self, name: str, *command: str | Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        self.operations: list[str] = self._read()
        self.costs: dict[str, list[float]] = {}

    def measure(self, operation: str) -> None:
        """One round: microseconds of processor time per call."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{operation} {CALLS[operation]}\n")
        self._process.stdin.flush()
        self.costs.setdefault(operation, []).append(self._read() / CALLS[operation] * 1e6)

    def cost_us(self, operation: str) -> float:
        return median(self.costs[operation])

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def standin() -> Iterator[str]:
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" at ")[1].split()[0]
        finally:
            process.terminate()


@contextmanager
def postgres(folder: str) -> Iterator[None]:
    """PostgreSQL on a socket in this folder only, with a database for each peer."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "missing")]
    binaries = found[-1].parent
    if not found[-1].exists():
        raise SystemExit(
            "PostgreSQL's server is missing: sudo apt-get install postgresql, or leave out both who need it"
        )
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        # It refuses to run as root.
        who = pwd.getpwnam("postgres")
        os.chown(folder, who.pw_uid, who.pw_gid)
        become = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}

    def run(tool: str, *arguments: str) -> None:
        command = [str(binaries / tool), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env={"LC_ALL": "C"}, **become)

    data = f"{folder}/data"
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
    run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
    try:
        for database in ("djstripe", "sync"):
            run("createdb", "-h", folder, "-U", "postgres", database)
        yield
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def install_sync_engine() -> None:
    if (NODE / "node_modules" / "@supabase").exists():
        return
    if shutil.which("npm") is None:
        raise SystemExit("Node is missing: install nodejs and npm, or --without sync-engine")
    NODE.mkdir(parents=True, exist_ok=True)
    print(f"installing {SYNC_ENGINE} into {NODE.relative_to(ROOT)}", file=sys.stderr)
    quietly = ["--no-save", "--no-fund", "--no-audit", "--silent"]
    subprocess.run(["npm", "install", *quietly, "--prefix", str(NODE), SYNC_ENGINE], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-warm")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without", action="append", default=[], choices=["djstripe", "sync-engine"])
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="aftertab-bench-", dir="/tmp"))
        stripe = stack.enter_context(standin())
        event = f"{folder}/event.json"
        # As in the bundle: botocore's descriptions of our calls alone.
        contents.describe_aws(Path(botocore.__file__).parent / "data", Path(folder, "aws_models"))
        os.environ["AWS_DATA_PATH"] = f"{folder}/aws_models"
        # First: it makes the event that all of them take.
        sides = [Side("Aftertab", sys.executable, HERE / "ours.py", stripe, event)]
        sides.append(Side(BARE, PEERS, HERE / "fastapi_peer.py"))
        if len(options.without) < 2:
            stack.enter_context(postgres(folder))
        if "djstripe" not in options.without:
            sides.append(Side("dj-stripe", PEERS, HERE / "djstripe_peer.py", folder, stripe, event))
        if "sync-engine" not in options.without:
            install_sync_engine()
            sides.append(Side("stripe-sync-engine", "node", HERE / "sync_engine_peer.mjs", NODE, folder, event))
        for side in sides:
            stack.callback(side.end)
        by_name = {side.name: side for side in sides}
        turns = in_turns(by_name)
        for number in range(options.rounds + 1):
            for side, operation in turns if number % 2 else reversed(turns):
                side.measure(operation)
            if number == 0:
                # That one was for warming up.
                for side in sides:
                    side.costs.clear()
    return tell(by_name)


def in_turns(sides: dict[str, Side]) -> list[tuple[Side, str]]:
    """All operations of all sides, those that a promise compares beside each other."""
    compared = [
        pair
        for promise in PROMISES
        if promise.peer in sides
        for pair in ((sides["Aftertab"], promise.ours), (sides[promise.peer], promise.theirs))
    ]
    rest = [(side, operation) for side in sides.values() for operation in side.operations]
    return compared + [turn for turn in rest if turn not in compared]


def tell(sides: dict[str, Side]) -> int:
    """The table, and the line that counts; 1 where a promise is broken."""
    for side in sides.values():
        for operation in side.operations:
            rounds, cost_us = side.costs[operation], side.cost_us(operation)
            print(f"{side.name:24} {operation:14} {cost_us:9.1f} µs  ({min(rounds):.1f} to {max(rounds):.1f})")
    ours, said, is_broken = sides["Aftertab"], [], False
    for promise in PROMISES:
        if promise.peer in sides:
            rounds = zip(ours.costs[promise.ours], sides[promise.peer].costs[promise.theirs], strict=True)
            ratio = median(mine / theirs for mine, theirs in rounds)
            is_broken |= ratio > promise.most
            mark = "MISSED: " if ratio > promise.most else ""
            said.append(f"{promise.ours} {ratio:.2f} of {promise.peer} ({mark}at most {promise.most:.2f})")
    print("bench-warm: " + "; ".join(said))
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
