"""Packages of npm for tests: installed once for all who test in this tree; without npm a test is skipped."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def installed(folder_name: str, *packages: str, why: str) -> Path:
    """The folder `node_modules` with these packages, name@version each. `why`: what a skipped test lacks."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        reason = f"{why}: install Node 20 or later, with npm, and run again (nodejs.org says how)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = ROOT / ".devstack" / folder_name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = ["npm", "install", "--prefix", str(folder), "--no-save", "--no-package-lock", "--ignore-scripts"]
            options = ["--no-audit", "--no-fund", *packages]
            ran = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
            assert ran.returncode == 0, f"npm could not install {' '.join(packages)}:\n{ran.stderr}"
            (folder / "done").touch()
    return folder / "node_modules"
