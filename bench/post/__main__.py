"""`make bench-post`: what a webhook that leads to a receipt costs its own request, against the build before news.

The same event goes to two builds of ours in one run: this tree, and commit 8ae8359, the last in which the schedule sent
receipts. Rounds are interleaved, and what is compared is the median of each round's ratio. Fails where this tree
takes more processor time, or more calls than one read and one transaction. Prints for information how many messages a
second of processor time are delivered, from the job to the mark. `--rounds N`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.warm.__main__ import CALLS as CALLS_A_ROUND
from bench.warm.__main__ import Side, standin

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "8ae8359"
MOST = 1.0
"""The ratio of the webhook's processor time, this tree to the one before."""
CALLS = {"batch_get_item": 1, "transact_write_items": 1}
OPERATION = "webhook"
CALLS_A_ROUND[OPERATION] = 60
"""Short rounds, and many of them: what else the machine does then falls on both sides alike."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-post")
    parser.add_argument("--rounds", type=int, default=80)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="aftertab-bench-", dir="/tmp")))
        stripe = stack.enter_context(standin())
        probed = probe(stripe)
        old = unpack(folder / "before")
        sides = [
            Side(name, sys.executable, tree / "bench" / "warm" / "ours.py", stripe, folder / f"{number}.json")
            for number, (name, tree) in enumerate((("this tree", ROOT), (BEFORE, old)))
        ]
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
        print(f"{side.name:10} {OPERATION} {side.cost_us(OPERATION):8.1f} µs  ({min(costs):.1f} to {max(costs):.1f})")
    ratio = median(new / before for new, before in zip(*(side.costs[OPERATION] for side in sides), strict=True))
    for kind, cost_us in probed["message_us"].items():
        print(f"delivered  {kind:14} {1e6 / cost_us:6.0f} messages a second of processor time ({cost_us:.0f} µs each)")
    missed = [
        text
        for text, is_missed in (
            (f"processor time {ratio:.3f} of {BEFORE} (at most {MOST:.2f})", ratio > MOST),
            (f"its request makes the calls {probed['calls']} (one read, one transaction)", probed["calls"] != CALLS),
            (f"it leads to {probed['messages']} (a receipt)", probed["messages"] != ["receipt"]),
            (f"it sends {probed['sent']} jobs, mails and texts (none)", probed["sent"] != 0),
        )
        if print(f"bench-post: {'MISSED: ' if is_missed else ''}{text}") or is_missed
    ]
    return int(bool(missed))


def unpack(folder: Path) -> Path:
    """The tree of the commit before."""
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def probe(stripe: str) -> dict[str, object]:
    command = [sys.executable, str(Path(__file__).with_name("probe.py")), stripe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
