"""Kills the app at a named boundary, for the crash tests: `AFTERTAB_CRASH_AT=capture:after_call` ends it there.

Boundaries of an attempt: `<operation>:before_write` (decided, nothing written), `<operation>:before_call` (written
ahead, nothing sent), `<operation>:after_call` (the gateway has done it, the answer is not read), and
`<operation>:after_outcome` (recorded, the caller not answered). `os._exit` runs no handler, as in a killed Lambda. Each
boundary fires once in the life of a process, and only while the variable is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from chalicelib.ports.deps import Deps

VARIABLE = "AFTERTAB_CRASH_AT"
EXIT_CODE = 86


def with_crashes(deps: Deps) -> Deps:
    """Wrap the dependencies so that the process dies at the boundary that the environment names, if it names one."""
    boundary = os.environ.get(VARIABLE)
    if not boundary:
        return deps
    operation, _, moment = boundary.partition(":")
    return replace(
        deps,
        gateway=_DyingGateway(deps.gateway, operation, moment),
        store=_DyingStore(deps.store, operation, moment),
    )


class _Wrapper:
    def __init__(self, inner: Any, operation: str, moment: str) -> None:
        self._inner = inner
        self._operation = operation
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _DyingGateway(_Wrapper):
    def perform(self, tab: Any, attempt: Any) -> Any:
        concerned = attempt.operation == self._operation
        if concerned and self._moment == "before_call":
            os._exit(EXIT_CODE)
        facts = self._inner.perform(tab, attempt)
        if concerned and self._moment == "after_call":
            os._exit(EXIT_CODE)
        return facts


class _DyingStore(_Wrapper):
    def commit(self, change: Any, **given: Any) -> Any:
        self._before([change])
        tab = self._inner.commit(change, **given)
        self._after([change])
        return tab

    def commit_each(self, changes: Any) -> Any:
        self._before(changes)
        errors = self._inner.commit_each(changes)
        self._after(changes)
        return errors

    def _before(self, changes: Any) -> None:
        if self._moment == "before_write" and self._is_among(attempt for change in changes for attempt in change.begun):
            os._exit(EXIT_CODE)

    def _after(self, changes: Any) -> None:
        closed = (attempt for change in changes for attempt in change.closed_attempts)
        if self._moment == "after_outcome" and self._is_among(closed):
            os._exit(EXIT_CODE)

    def _is_among(self, attempts: Iterable[Any]) -> bool:
        return any(attempt.operation == self._operation for attempt in attempts)
