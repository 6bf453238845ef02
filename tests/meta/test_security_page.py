"""docs/security.md and docs/trust.md name tests that exist, and counts that are so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
TRUST = (ROOT / "docs" / "trust.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", TEXT + TRUST)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_test_that_shows_something_exists(file: str, test: str) -> None:
    """Whoever doubts a line can run what it names."""
    source = (ROOT / file).read_text()

    assert not test or f"def {test}(" in source


def test_every_attack_has_what_shows_it() -> None:
    """Each row of the tables of attacks ends with a test."""
    section = TEXT.partition("## Who attacks")[2].partition("## What was tried")[0]
    section += TRUST.partition("## Abuse")[2].partition("## What it does")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and line.split()[1] not in ("attack", "who")]

    assert len(rows) >= 30
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[1]] == []


def test_the_counts_are_those_of_the_tests() -> None:
    """Cells of the walk, faults of tokens, kinds of operations, places of raw bytes."""
    from tests.api import access, test_auth, test_raw_bytes

    faults, kinds = len(test_auth.WRONG), len(test_auth.KINDS)

    assert f"| {len(list(access.cells())):,} |" in TEXT
    assert f"| {faults} × {kinds} |" in TEXT
    assert f"{faults} faults on each of {kinds} kinds of operations" in TEXT
    assert f"raw inputs at {len(test_raw_bytes.TARGETS)} places" in TEXT
