"""docs/stripe-standin.md against the program: an option, a control call or a fault that is not documented fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections import Counter
from pathlib import Path

from devstack.stripe_standin import __main__ as command
from devstack.stripe_standin import control, faults, pages, versions
from devstack.stripe_standin.server import serve_in_thread
from devstack.stripe_standin.standin import StandIn

ROOT = Path(__file__).resolve().parents[2]
UNPLAYED = ROOT / "devstack" / "stripe_standin" / "unplayed.txt"
DOC = (ROOT / "docs" / "stripe-standin.md").read_text(encoding="utf-8")


def test_every_option_is_documented() -> None:
    """What --help offers is in the table."""
    shown = command.arguments().format_help()

    missing = [option for option in re.findall(r"--[a-z-]+", shown) if f"`{option}" not in DOC and option != "--help"]

    assert missing == []


def test_every_control_call_is_documented() -> None:
    """Each path under /_control/ is in the table (the overview's data belongs to its page)."""
    standin = StandIn(start=0)
    calls = {
        (method, route.path)
        for route in [*control.routes(standin), *pages.routes(standin)]
        for method in (route.methods or set()) - {"HEAD"}
        if route.path.startswith("/_control/") and "{" not in route.path
    }

    documented = {
        (method, path)
        for methods, path in re.findall(r"^\| `([A-Z/]+) (/_control/\S+)`", DOC, re.MULTILINE)
        for method in methods.split("/")
    }
    assert sorted(calls - documented) == [("GET", "/_control/overview")]
    assert sorted(documented - calls) == []


def test_the_lines_of_curl_work(tmp_path: Path) -> None:
    """Every block that a reader may paste runs as it stands, in order, and no answer in it is an error."""
    lines = "".join(
        block for block in re.findall(r"^```sh\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE) if "$STRIPE" in block
    )
    with serve_in_thread(start=1_767_603_600) as base:
        ran = subprocess.run(
            ["bash", "-eu", "-c", lines],
            cwd=tmp_path,
            env={**os.environ, "STRIPE": base},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        made = json.loads(urllib.request.urlopen(f"{base}/_control/books?by=").read())["accounts"]
        faults_left = json.loads(urllib.request.urlopen(f"{base}/_control/faults").read())["faults"]

    assert ran.returncode == 0, ran.stderr
    assert '"error"' not in ran.stdout
    assert "charge.expired" in ran.stdout
    # The hold that nobody captured, and the payment whose first answer was lost: made once.
    euro = made["acct_1StandInPlatform00"]["eur"]
    assert (euro["authorized"], euro["expired"], euro["charged"]) == (5000, 5000, 700)
    assert faults_left == []


def test_every_fault_is_documented() -> None:
    """Each kind has its line."""
    kinds = faults.KINDS

    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in DOC] == []


def test_every_filter_of_a_fault_is_documented() -> None:
    """Each field that a rule may carry is named."""
    own = {"kind", "id", "hits", "seen", "dice"}

    assert [name for name in faults.Fault.__struct_fields__ if name not in own and f"`{name}`" not in DOC] == []


def test_every_difference_between_versions_is_documented() -> None:
    """Each row of the one table is a row of the page."""
    rows = [f"| {row.since} | {row.before} | {row.after} |" for row in versions.DIFFERENCES.values()]

    assert [row for row in rows if row not in DOC] == []


def test_what_is_not_known_is_counted() -> None:
    """The page says how many operations and expansions are answered 501."""
    kinds = Counter(line.split(" ")[0] for line in UNPLAYED.read_text(encoding="utf-8").splitlines())

    assert f"{kinds['PATH']} operations" in DOC
    assert f"{round(kinds['PARAMETER'], -2)} parameters" in DOC
    assert f"{round(kinds['VALUE'], -2)} values" in DOC
    assert f"{kinds['EXPANSION']} expansions" in DOC
