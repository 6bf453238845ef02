"""CHANGELOG.md, the version and the release steps of CONTRIBUTING.md agree."""

import re
import tomllib
from datetime import date
from pathlib import Path

from chalicelib import config

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = re.findall(r"^## \[(.+?)\](?: - (.+))?$", CHANGELOG, re.MULTILINE)
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_unreleased_changes_come_first_and_releases_follow_newest_first() -> None:
    """The headings are those of Keep a Changelog: Unreleased without a date, then versions with theirs."""
    (first, no_date), *released = SECTIONS
    versions = [tuple(map(int, version.split("."))) for version, _ in released]
    days = [date.fromisoformat(day) for _, day in released]

    assert (first, no_date) == ("Unreleased", "")
    assert versions == sorted(set(versions), reverse=True)
    assert days == sorted(days, reverse=True)


def test_every_section_sorts_its_changes_by_kind() -> None:
    """Within a section each kind of change has one heading, in the order of Keep a Changelog."""
    for section in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)

        assert kinds == [kind for kind in KINDS if kind in kinds], section.partition("\n")[0]


def test_the_newest_release_is_the_version_of_the_code() -> None:
    """One version in the changelog, pyproject.toml and the code; the changelog has none before the first release."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert version == config.VERSION
    assert [name for name, _ in SECTIONS[1:2]] in ([], [version])
