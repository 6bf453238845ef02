"""Counts what the processor executes. Unlike times it is alike whenever it is counted, on a busy machine, too."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence


def instructions(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Of a process from its start to its end, by valgrind, which must be on the environment's PATH."""
    if shutil.which("valgrind") is None:
        raise SystemExit("Instructions are counted by valgrind: install it, or say ARGS=--without-instructions.")
    counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    steady = {**environment, "PYTHONHASHSEED": "0"}
    done = subprocess.run(counting, env=steady, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])
