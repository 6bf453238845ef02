"""`make conformance`: runs the store's contract tests and the races on DynamoDB Local, AWS's own emulator.

    python -m devstack.dynamodb_conformance --rounds 1

Ends with one line of figures; the exit code is 1 if anything fails, 2 if Java or npm is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time

from devstack import dynamodb_local
from devstack.dynamodb_emulators import DYNAMODB_LOCAL, VARIABLE
from devstack.dynamodb_local import Missing
from devstack.stack import ROOT

CONTRACT = (
    "tests/contract/test_store.py",
    "tests/contract/test_store_races.py",
    "tests/contract/test_store_emulator.py::test_it_listens_on_loopback_only",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1, help="of each race")
    given = parser.parse_args()
    began = time.monotonic()
    try:
        dynamodb_local.require()
        folder = dynamodb_local.fetch()
    except Missing as missing:
        print(f"make conformance: {missing}", file=sys.stderr)
        return 2
    print(
        f"DynamoDB Local is AWS's, for holders of an AWS account: {folder.relative_to(ROOT) / 'LICENSE.txt'}",
        flush=True,
    )
    # Only the tests that start an emulator have this mark; `make test` runs those in memory and on moto.
    contract = [sys.executable, "-m", "pytest", "-m", "ministack", *CONTRACT]
    races = [sys.executable, "-m", "devstack.races", "--database", DYNAMODB_LOCAL, "--rounds", str(given.rounds)]
    tested, tests_say = _run(contract)
    raced, races_say = _run(races)
    counts = re.sub(r"^=+ | in [0-9.]+s.*| =+$", "", tests_say)
    print(f"conformance: contract {counts}; {races_say}; {time.monotonic() - began:.0f} s on DynamoDB Local in all")
    return 1 if tested or raced else 0


def _run(command: list[str]) -> tuple[int, str]:
    """The exit code and the last line of output; the output is shown while it is printed."""
    last = ""
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, VARIABLE: DYNAMODB_LOCAL}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None, "it is piped"
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


if __name__ == "__main__":
    sys.exit(main())
