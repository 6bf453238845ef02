"""What the log lines of one piece of work share: the ids of the request, event, tab and attempt that it is about.

A line of the API, one of the webhook and one of the sweep that have the same `tab_id` tell of the same tab; the same
`attempt_id`, of the same try at moving its money; `stripe_request_id`, of the call to Stripe that an event came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_given: ContextVar[tuple[Mapping[str, str | None], ...]] = ContextVar("correlation", default=())


class about:  # noqa: N801
    """With it, until it is left, all lines of this thread carry these ids, too; None says nothing."""

    __slots__ = ("_ids", "_token")

    def __init__(self, **ids: str | None) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        self._token = _given.set((*_given.get(), self._ids))

    def __exit__(self, *failure: object) -> None:
        _given.reset(self._token)


def ids() -> Mapping[str, str]:
    return {name: value for given in _given.get() for name, value in given.items() if value}
