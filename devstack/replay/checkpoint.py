"""What a resumed replay starts from: the servers' state and our progress, copied while the servers stand still."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from devstack.replay.hotel_clients import Stay
from devstack.replay.run import Counts, Progress
from devstack.stack import ROOT

HERE = ROOT / ".devstack" / "replay"


class Busy(Exception):
    """Another replay of the same rows is running."""


class Checkpoint:
    """One replay's folder: `state` is what the servers work on, `saved` the last copy of it that is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = folder / "state"
        self._saved = folder / "saved"

    @classmethod
    def of(cls, data: Path, limit: int | None) -> Checkpoint:
        """The folder for these rows of a file with this content, wherever it lies."""
        digest = hashlib.sha256(data.read_bytes() + f"\n{limit}".encode()).hexdigest()[:16]
        return cls(HERE / digest)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises Busy. The lock goes with the process, however it ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"another replay of these rows is running, in {self._folder}") from None
            yield

    def clear(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self._saved, ignore_errors=True)

    def save(self, progress: Progress) -> None:
        """Keep the state of the servers, which are stopped, and ours. The one before stands until this one is whole."""
        fresh, old = self._folder / "saving", self._folder / "replaced"
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(self.state, fresh)
        (fresh / "progress.json").write_text(json.dumps(_encoded(progress)))
        if self._saved.exists():
            self._saved.rename(old)
        fresh.rename(self._saved)
        shutil.rmtree(old, ignore_errors=True)

    def restore(self) -> Progress | None:
        """Put the saved state where the servers look for it; None if nothing is saved."""
        old = self._folder / "replaced"
        if not self._saved.exists() and old.exists():
            # Ended between the two renames of `save`.
            old.rename(self._saved)
        if not self._saved.exists():
            return None
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self._saved, self.state)
        text = (self.state / "progress.json").read_text()
        (self.state / "progress.json").unlink()
        return _decoded(json.loads(text))


def _encoded(progress: Progress) -> dict[str, Any]:
    encoded = asdict(progress)
    encoded["stays"] = [
        {**asdict(stay), "next_at": stay.next_at.isoformat() if stay.next_at else None}
        for stay in progress.stays.values()
    ]
    return encoded


def _decoded(text: dict[str, Any]) -> Progress:
    stays = [
        Stay(**{**row, "next_at": datetime.fromisoformat(row["next_at"]) if row["next_at"] else None})
        for row in text.pop("stays")
    ]
    return Progress(**{**text, "counts": Counts(**text["counts"]), "stays": {stay.number: stay for stay in stays}})
