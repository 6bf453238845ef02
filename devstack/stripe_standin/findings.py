"""Owns where the check's findings go when many stand-ins run under one test run: a folder that the environment names.

Kept apart from the check itself, so that whoever runs the tests need not load the stand-in to read what was found.
"""

from __future__ import annotations

import os
from pathlib import Path

# Set by whoever runs many stand-ins and wants none forgotten: the check is on in every one that starts, and what is
# wrong is also written to a file in this folder, at once, so that it outlives the process.
FOLDER = "STRIPE_STANDIN_CHECK"


def asked_for() -> bool:
    """Whether the environment wants the check on."""
    return bool(os.environ.get(FOLDER))


def note(problems: list[str]) -> None:
    """Write down what one stand-in found, if anybody wants to know."""
    folder = os.environ.get(FOLDER)
    if folder and problems:
        with (Path(folder) / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
            file.writelines(problem.replace("\n", " ") + "\n" for problem in problems)


def take(folder: Path) -> list[str]:
    """What every stand-in under this folder has found since this was last asked."""
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        found += path.read_text(encoding="utf-8").splitlines()
        path.unlink()
    return found
