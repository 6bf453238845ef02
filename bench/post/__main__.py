"""`make bench-post`: what a webhook that leads to a receipt costs its own request, against the build before news.

The same event goes to two builds of ours in one run: this tree, and commit 8ae8359, the last in which the schedule sent
receipts. Fails where this tree executes more instructions for it (counted by valgrind, because they are alike whenever
they are counted), or makes other calls than one read and one transaction. For information it prints the processor time
of both, rounds interleaved, and how many messages a second of it are delivered, from the job to the mark.
`--rounds N`; `--without-instructions` decides by the times, which vary by a few hundredths from process to process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

from bench.warm.__main__ import CALLS as CALLS_A_ROUND
from bench.warm.__main__ import Side, standin

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "8ae8359"
MOST = 1.0
"""The ratio of what the webhook costs, this tree to the one before."""
CALLS = {"batch_get_item": 1, "transact_write_items": 1}
OPERATION = "webhook"
CALLS_A_ROUND[OPERATION] = 60
"""Short rounds, and many of them: what else the machine does then falls on both sides alike."""
COUNTED, WARMED_UP = 30, 10
"""The calls whose instructions are counted, and those before them."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-post")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--without-instructions", action="store_true", help="leave valgrind out, which takes a minute")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="aftertab-bench-", dir="/tmp")))
        stripe = stack.enter_context(standin())
        probed = probe(stripe)
        trees = {"this tree": ROOT, BEFORE: unpack(folder / "before")}
        event = folder / "event.json"
        counted = {} if options.without_instructions else {n: instructions(t, stripe, event) for n, t in trees.items()}
        sides = [Side(name, sys.executable, ours(tree), stripe, event) for name, tree in trees.items()]
        for side in sides:
            stack.callback(side.end)
        for number in range(options.rounds + 1):
            # Turn by turn, so that none of the two always comes first.
            for side in sides if number % 2 else reversed(sides):
                side.measure(OPERATION)
            if number == 0:
                # That one was for warming up.
                for side in sides:
                    side.costs.clear()
    for side in sides:
        costs = side.costs[OPERATION]
        executed = f", {counted[side.name] / 1e6:.2f} million instructions" if counted else ""
        print(f"{side.name:10} {side.cost_us(OPERATION):7.0f} µs ({min(costs):.0f} to {max(costs):.0f}){executed}")
    in_time = median(new / before for new, before in zip(*(side.costs[OPERATION] for side in sides), strict=True))
    for kind, cost_us in probed["message_us"].items():
        print(f"delivered  {1e6 / cost_us:7.0f} messages a second of processor time by {kind} ({cost_us:.0f} µs each)")
    ratio = counted["this tree"] / counted[BEFORE] if counted else in_time
    what = f"instructions (processor time {in_time:.3f})" if counted else "processor time"
    promises = (
        (f"{ratio:.3f} of {BEFORE}'s {what}, at most {MOST:.2f}", ratio <= MOST),
        (f"its own request makes the calls {probed['calls']}: one read, one transaction", probed["calls"] == CALLS),
        (f"it leads to {probed['messages']}: a receipt", probed["messages"] == ["receipt"]),
        (f"its own request sends {probed['sent']} jobs, mails and texts: none", probed["sent"] == 0),
    )
    for text, is_kept in promises:
        print(f"bench-post: {'' if is_kept else 'MISSED: '}{text}")
    return int(not all(is_kept for _, is_kept in promises))


def unpack(folder: Path) -> Path:
    """The tree of the commit before."""
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def ours(tree: Path) -> Path:
    return tree / "bench" / "warm" / "ours.py"


def probe(stripe: str) -> dict[str, object]:
    command = [sys.executable, str(Path(__file__).with_name("probe.py")), stripe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def instructions(tree: Path, stripe: str, event: Path) -> float:
    """What the processor executes for one webhook, once the process is warm."""
    if shutil.which("valgrind") is None:
        raise SystemExit("Instructions are counted by valgrind: install it, or say ARGS=--without-instructions.")
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", sys.executable]
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, str(ours(tree)), stripe, str(event)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=ours(tree).parent,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), "it says what it can do"
        for calls, counting in ((WARMED_UP, "on"), (COUNTED, "off")):
            process.stdin.write(f"{OPERATION} {calls}\n")
            process.stdin.flush()
            assert process.stdout.readline(), f"{calls} calls were made"
            subprocess.run(["callgrind_control", "-i", counting, str(process.pid)], check=True, capture_output=True)
        process.stdin.close()
        process.wait()
        said.seek(0)
        # The forked server of the table says how many it has, too.
        found = re.search(rf"=={process.pid}== Collected : (\d+)", said.read())
    assert found is not None, "callgrind says at the end how many it counted"
    return int(found[1]) / COUNTED


if __name__ == "__main__":
    sys.exit(main())
