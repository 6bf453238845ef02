"""Starts the local stack, lets schemathesis send requests until there were enough, and says what was answered.

Exit status 0 only where schemathesis has no complaint: no 5xx, and no answer that the document does not have (status,
type, schema, headers). The rounds differ by their seed only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devstack.stack import ROOT, Stack, stop_on_signals
from devstack.stories.business import Business

SCHEMATHESIS = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
CONFIG = Path(__file__).with_name("schemathesis.toml")
"""What is checked, and how chains are made."""
QUICK = ("--phases", "examples,fuzzing", "--max-examples", "10")
THOROUGH = ("--phases", "examples,coverage,fuzzing", "--max-examples", "40")
"""Single requests. Coverage goes through every keyword of every schema, which alone is some thousand requests."""
CHAINS = ("--phases", "stateful", "--max-examples", "40", "--max-time")
"""Chains of requests by the document's links. Hypothesis ends where the same start leads elsewhere, as it does with
a server that remembers: therefore they are begun anew until the time is over."""
QUICK_S, THOROUGH_S = 20, 300
THOROUGH_FROM = 5_000
"""From so many requests on, rounds are thorough."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="the least number")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    stop_on_signals()
    statuses: Counter[str] = Counter()
    reached: dict[str, set[str]] = {}
    failed, seed, began, links = 0, given.seed, time.monotonic(), (0, 0)
    is_thorough = given.requests >= THOROUGH_FROM
    ways = (THOROUGH, (*CHAINS, str(THOROUGH_S))) if is_thorough else (QUICK, (*CHAINS, str(QUICK_S)))
    with tempfile.TemporaryDirectory() as folder, Stack(logs=Path(folder) / "logs") as stack:
        while statuses.total() < given.requests and not failed:
            for way in ways:
                found_fault, report = _round(stack, Path(folder), seed, way)
                failed = failed or found_fault
                statuses.update(report["statuses"])
                links = max(links, report["links"])
                for label, found in report["reached"].items():
                    reached.setdefault(label, set()).update(found)
            seed += 1
    good = sum(any(status.startswith("2") for status in found) for found in reached.values())
    told = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    print(
        f"{statuses.total():,} requests in {time.monotonic() - began:.0f} s, {seed - given.seed} rounds: {told}. "
        f"{good} of {len(reached)} operations were answered with a success; "
        f"{links[0]} of {links[1]} links were followed in one round of chains."
    )
    return failed


def _round(stack: Stack, folder: Path, seed: int, way: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """The exit status, and what was sent and answered. `way`: which phases, and how much of them."""
    given, report = folder / "given.json", folder / "report.json"
    given.write_text(json.dumps({"seed": seed, **_town(stack)}))
    report.unlink(missing_ok=True)
    command = [
        *(
            str(SCHEMATHESIS),
            "--config-file",
            str(CONFIG),
            "run",
            f"{stack.app_url}/v1/openapi.json",
            "--seed",
            str(seed),
        ),
        *(*way, "--no-shrink", "--continue-on-failure"),
        *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--request-timeout", "60"),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "devstack.fuzz.hooks",
            "FUZZ_GIVEN": str(given),
            "FUZZ_REPORT": str(report),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    if not report.exists():
        raise RuntimeError(f"schemathesis sent nothing:\n{done.stdout}\n{done.stderr}")
    told: dict[str, Any] = json.loads(report.read_text())
    links = re.search(r"API Links: +(\d+) covered / (\d+) selected", done.stdout)
    told["links"] = (int(links[1]), int(links[2])) if links else (0, 0)
    return done.returncode, told


def _town(stack: Stack) -> dict[str, Any]:
    """A business with tabs in several states: tokens by role, and the ids that there are."""
    cafe = Business(stack, lambda text: None, name="Kaffee Morgen")
    ana = cafe.customer("Ana")
    cafe.owner.post("/tokens", {"first": 1, "count": 20})
    tabs = []
    for number in range(6):
        new = {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 4000}
        tab = cafe.staff.post("/tabs", new)
        tabs.append(tab["tab_id"])
        if number % 2:
            ana.accept_promise(tab, ["cap"])
            cafe.staff.post(
                f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Cut", "unit_price_minor": 3000}]}
            )
        if number % 3 == 2:
            cafe.staff.post(f"/tabs/{tab['tab_id']}/complete")
    guest = cafe.staff.post(f"/tabs/{tabs[0]}/links", {"scope": "full"})["secret"]
    token = stack.issuer.token
    mine = {"merchant_id": cafe.merchant_id}
    return {
        "tokens": {
            "staff": token("staff", **mine),
            "owner": token("owner", **mine),
            "customer": token("customer", **mine, customer_id=ana.customer_id),
            "operator": token("operator"),
            "guest": guest,
        },
        "ids": {"tab_id": tabs, "customer_id": [ana.customer_id], **{name: [value] for name, value in mine.items()}},
    }


if __name__ == "__main__":
    sys.exit(main())
