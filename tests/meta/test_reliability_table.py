"""The table of rules in docs/reliability.md: every test and every rule that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devstack import invariants

ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[tuple[str, list[str], list[str]]]:
    """Number, API tests, proofs."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.split("## Rules about other people's money\n", 1)[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if re.match(r"\| \d", line)]
    return [(number, re.findall("`(.+?)`", tests), re.findall("`(.+?)`", proofs)) for number, _, tests, proofs in cells]


def exists(name: str, folder: Path) -> bool:
    """A rule of the invariants, or `file.py::function` somewhere below the folder."""
    file, is_in_file, function = name.partition("::")
    if not is_in_file:
        return callable(getattr(invariants, file, None))
    return any(f"def {function}(" in path.read_text(encoding="utf-8") for path in folder.rglob(file))


def test_every_line_is_there() -> None:
    """32, in their order, none twice."""
    assert [number for number, _, _ in rows()] == [str(number) for number in range(1, 33)]


@pytest.mark.parametrize(
    ("number", "tests", "proofs"), rows(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_a_line_names_exists(number: str, tests: list[str], proofs: list[str]) -> None:
    """At least one test through the API, and one proof."""
    assert tests
    assert proofs
    assert [name for name in tests if not exists(name, ROOT / "tests" / "api")] == []
    assert [name for name in proofs if not exists(name, ROOT / "tests")] == []


def test_what_the_notices_are_shown_by_exists() -> None:
    """Tests by name, in the file that the section names or in the one before `::`."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.split("## Notices\n", 1)[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    names = [name for line in rows for name in re.findall("`(.+?)`", line) if not name.startswith("make ")]

    assert len(names) > 10
    for name in names:
        file, _, function = name.rpartition("::") if "::" in name or "/" not in name else (name, "", "")
        path = ROOT / "tests" / (file or "usecases/test_notices.py")
        assert path.is_file(), name
        assert not function or f"def {function}(" in path.read_text(encoding="utf-8"), name
