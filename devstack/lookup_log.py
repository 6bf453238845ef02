"""Logs every lookup of an attempt at Stripe, a line each, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib.ports.deps import Deps


def with_lookups(deps: Deps, path: Path) -> Deps:
    """Wrap the dependencies so that each lookup adds `<attempt id> <operation> found|absent` to the file."""
    return replace(deps, gateway=_LookingGateway(deps.gateway, path))


class _LookingGateway:
    def __init__(self, inner: Any, path: Path) -> None:
        self._inner = inner
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def find_facts(self, tab: Any, attempt: Any) -> Any:
        facts = self._inner.find_facts(tab, attempt)
        with self._path.open("a") as file:
            file.write(f"{attempt.attempt_id} {attempt.operation} {'found' if facts else 'absent'}\n")
        return facts
