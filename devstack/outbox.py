"""The local outbox: a file with a line of JSON for each message, read by the demo and the tests. Nothing is sent."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class FileOutbox:
    """Implements ports.Notifier."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        line = {
            "message_id": message.message_id,
            "kind": message.kind,
            "to": message.to,
            "tab_id": message.tab_id,
            "at": message.at.isoformat(),
            "text": ", ".join(f"{name} {value}" for name, value in message.values.items()),
        }
        with self._lock, self._path.open("a") as outbox:
            outbox.write(json.dumps(line) + "\n")


def read(path: Path, tab_id: str) -> list[dict[str, Any]]:
    """The messages about a tab, in order. A message that was handed over twice counts once, by its id."""
    if not path.exists():
        return []
    lines = (json.loads(line) for line in path.read_text().splitlines())
    return list({line["message_id"]: line for line in lines if line["tab_id"] == tab_id}.values())
