"""What the log lines of one piece of work share: the ids of the request, event, tab and attempt that it is about.

A line of the API, one of the webhook and one of the sweep that have the same `tab_id` tell of the same tab; the same
`attempt_id`, of the same try at moving its money; `stripe_request_id`, of the call to Stripe that an event came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_NONE: Mapping[str, str] = {}
_ids: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=_NONE)


class about:  # noqa: N801
    """With it, until it is left, all lines of this thread carry these ids, too; None says nothing."""

    __slots__ = ("_given", "_token")

    def __init__(self, **ids: str | None) -> None:
        self._given = ids

    def __enter__(self) -> None:
        self._token = _ids.set({**_ids.get(), **{name: value for name, value in self._given.items() if value}})

    def __exit__(self, *failure: object) -> None:
        _ids.reset(self._token)


def ids() -> Mapping[str, str]:
    return _ids.get()
