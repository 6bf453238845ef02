"""The ids that the log lines of one piece of work share: request, event, tab and attempt.

Lines of API, webhook and sweep with the same `tab_id` are about the same tab; with the same `attempt_id`, about the
same attempt to move its money. `stripe_request_id` is the call to Stripe that caused an event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar

_OURS = re.compile(r"[a-z]+_[0-9A-Za-z-]{1,60}|[0-9]{1,4}")
_given: ContextVar[tuple[Mapping[str, str | None], ...]] = ContextVar("correlation", default=())


class about:  # noqa: N801
    """A context in which all log lines of this thread carry these ids, too. None adds nothing."""

    __slots__ = ("_ids", "_token")

    def __init__(self, **ids: str | None) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        self._token = _given.set((*_given.get(), self._ids))

    def __exit__(self, *failure: object) -> None:
        _given.reset(self._token)


def is_of_ours(text: str, kind: str = "") -> bool:
    """Whether a text from outside has the shape of an id that we make: its kind before it, or a token's number.

    In the place of an id may be anything that somebody has typed or pasted, a secret or an address of mail among it:
    nothing else of it is logged. `kind`: only an id of this kind, such as `tab`.
    """
    return _OURS.fullmatch(text) is not None and (not kind or text.startswith(f"{kind}_"))


def ids() -> Mapping[str, str]:
    return {name: value for given in _given.get() for name, value in given.items() if value}
