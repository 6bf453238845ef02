"""A folder for each running stack: a second one writes beside the first, never into its files."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_LOCK = ".in-use"


@contextmanager
def claimed(first: Path, others: Path) -> Iterator[Path]:
    """The first of these folders that no running stack has: `first`, then `others`-2, -3 and so on.

    The lock is the process's, so the folder is free again when the process has ended, however it did.
    """
    for number in count(1):
        folder = first if number == 1 else others.with_name(f"{others.name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
