"""docs/stripe-standin.md against the program: an option, a control call or a fault that is not documented fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from devstack.stripe_standin import control, faults, pages
from devstack.stripe_standin.standin import StandIn

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "stripe-standin.md").read_text(encoding="utf-8")


def test_every_option_is_documented() -> None:
    """What --help offers is in the table."""
    shown = subprocess.run(
        [sys.executable, "-m", "devstack.stripe_standin", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout

    missing = [option for option in re.findall(r"--[a-z-]+", shown) if f"`{option}" not in DOC and option != "--help"]

    assert missing == []


def test_every_control_call_is_documented() -> None:
    """Each path under /_control/ is in the table (the overview's data belongs to its page)."""
    standin = StandIn(start=0)
    paths = {route.path for route in [*control.routes(standin), *pages.routes(standin)]}

    assert [path for path in sorted(paths) if path.startswith("/_control/") and path not in DOC] == [
        "/_control/overview"
    ]


def test_every_fault_is_documented() -> None:
    """Each kind has its line."""
    kinds = faults.REQUEST_KINDS | faults.WEBHOOK_KINDS

    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in DOC] == []


def test_every_filter_of_a_fault_is_documented() -> None:
    """Each field that a rule may carry is named."""
    own = {"kind", "id", "hits", "seen", "dice"}

    assert [name for name in faults.Fault.__struct_fields__ if name not in own and f"`{name}`" not in DOC] == []
